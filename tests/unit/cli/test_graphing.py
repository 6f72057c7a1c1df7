"""`netlab graph`: what the ending of a file's name makes of the drawing."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlab import cli


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work beside a topology; put back the handlers that a command line sets."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text("nodes: {a: , b: }")
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("file", "begins"),
    [
        ("a.svg", "<svg"),
        ("a.SVG", "<svg"),
        ("a.mmd", "flowchart"),
        ("a.gv", "graph"),
        ("a.txt", "a\n"),
        ("a", "a\n"),
    ],
)
def test_the_ending_says_how(file: str, begins: str) -> None:
    """Each kind of drawing has its endings; a name without one is text."""
    assert cli.run(["graph", "a.yaml", "-o", file]) == 0
    assert Path(file).read_text().startswith(begins)


@pytest.mark.parametrize(
    ("file", "hint"),
    [
        (
            "live.png",
            "write an .svg, or let Graphviz draw it: netlab graph FILE --format dot | dot -Tpng > live.png",
        ),
        ("live.md", "end its name in .txt, .mmd, .mermaid, .dot, .gv, .svg, or say --format"),
    ],
)
def test_what_cannot_be_drawn_is_not_written(
    file: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No text is hidden in a file that calls itself a picture, unless it is asked for by its name."""
    assert cli.run(["graph", "a.yaml", "-o", file]) == 2
    ending = Path(file).suffix
    assert capsys.readouterr().err == f"{file}: no drawing of netlab's ends in {ending} — {hint}\n"
    assert not Path(file).exists()
    assert cli.run(["graph", "a.yaml", "-o", file, "--format", "dot"]) == 0
    assert Path(file).read_text().startswith("graph")
