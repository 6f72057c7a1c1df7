"""`netlab schema`: what it prints is what is committed, and what it cannot write is a sentence."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlab import cli


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Put back the handlers that a command line sets."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("options", "name"),
    [((), "netlab.schema.json"), (("--markdown",), "README.md")],
    ids=["json", "markdown"],
)
def test_it_is_the_committed_one(
    options: tuple[str, ...], name: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The schema, and the reference, are the files beside the shipped topologies, printed or written."""
    committed = (root / "topologies" / name).read_text(encoding="utf-8")
    assert cli.run(["schema", *options]) == 0
    assert capsys.readouterr().out == committed
    assert cli.run(["schema", *options, "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_text(encoding="utf-8") == committed
    assert capsys.readouterr().err == f"written: {tmp_path / name}\n"


def test_where_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory that is not there ends with a sentence and its status."""
    assert cli.run(["schema", "-o", str(tmp_path / "none" / "schema.json")]) == 3
    assert "No such file or directory" in capsys.readouterr().err
