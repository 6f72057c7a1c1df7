"""Bad files: each golden message, and the files that cannot even be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from netlab.errors import InputError
from netlab.topology import load, parse

BAD = Path(__file__).parent / "bad"
CASES = sorted(path.stem for path in BAD.glob("*.yaml"))


def faults_of(path: Path) -> InputError:
    """Load a file that has faults."""
    with pytest.raises(InputError) as caught:
        load(path)
    return caught.value


@pytest.mark.parametrize("case", CASES)
def test_message(case: str, golden: Callable[[str, str], None]) -> None:
    """Each mistake is told with its place, what it is, what to do, and a caret under the very token."""
    golden(f"errors/{case}.txt", f"{faults_of(BAD / f'{case}.yaml')}\n".replace(f"{BAD}/", ""))


def test_every_message_has_its_case(request: pytest.FixtureRequest) -> None:
    """A golden file without its bad topology would never be looked at again."""
    if request.config.getoption("--rewrite-golden"):
        pytest.skip("they are being written")
    kept = sorted(path.stem for path in (BAD.parents[2] / "golden" / "errors").glob("*.txt"))
    assert kept == CASES


def test_missing_file(tmp_path: Path) -> None:
    """A path that leads nowhere is a fault like any other."""
    error = faults_of(tmp_path / "none.yaml")
    assert str(error) == f"{tmp_path}/none.yaml:1:1: no such file — check the path"
    assert error.exit_status == 2


def test_directory(tmp_path: Path) -> None:
    """A directory is no topology."""
    assert "this is a directory" in str(faults_of(tmp_path))


def test_unreadable_path(tmp_path: Path) -> None:
    """What the system says of a path it cannot open is passed on."""
    (tmp_path / "file").write_text("")
    assert "the file cannot be read — Not a directory" in str(faults_of(tmp_path / "file" / "x.yaml"))
    assert "the file cannot be read" in str(faults_of(Path("a\0b.yaml")))


def test_empty_file(tmp_path: Path) -> None:
    """An empty file is told so, at its beginning."""
    (tmp_path / "lab.yaml").write_text("")
    assert ":1:1: the file is empty" in str(faults_of(tmp_path / "lab.yaml"))


def test_huge_file(tmp_path: Path) -> None:
    """More than a mebibyte is refused before it is parsed."""
    (tmp_path / "lab.yaml").write_text("nodes: {a: }\n" + "#" * (1 << 20))
    assert "larger than 1 MiB" in str(faults_of(tmp_path / "lab.yaml"))


def test_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    """Some editors put one in front; it is not the first key's."""
    (tmp_path / "lab.yaml").write_text("\ufeffnodes: {a: }\n", encoding="utf-8")
    assert load(tmp_path / "lab.yaml").node("a").name == "a"


def test_other_encoding(tmp_path: Path) -> None:
    """A file in Latin-1 is told at the first character that is not UTF-8."""
    (tmp_path / "lab.yaml").write_text("nodes:\n  client:  # Zürich\n", encoding="latin-1")
    assert ":2:15: the file is not UTF-8 — save it in that encoding" in str(faults_of(tmp_path / "lab.yaml"))


def test_faults_come_in_order_of_line() -> None:
    """All faults of a file come at once, from top to bottom, whichever was found first."""
    error = faults_of(BAD / "record-data.yaml")
    lines = [fault.place.line for fault in error.faults]
    assert len(lines) == 12
    assert lines == sorted(lines)


def test_many_faults_end_the_reading() -> None:
    """A file that is wrong throughout is given up, rather than told line by line for ever."""
    text = "nodes: {" + ", ".join(f"a{number}: {{b: }}" for number in range(5000)) + "}"
    with pytest.raises(InputError) as caught:
        parse(text, file="lab.yaml", directory=BAD)
    assert len(caught.value.faults) == 200


@pytest.mark.parametrize(
    "node",
    [
        "router: {router: true, address: 10.0.0.1}",
        "router: ",
        "files: {address: 10.0.0.1}",
        "nat: {kind: }",
        "interfaces: {}",
    ],
)
def test_a_node_may_be_called_as_a_key_is(node: str) -> None:
    """Only what a node has under that key stands there by a slip."""
    assert len(parse(f"nodes: {{{node}}}", file="lab.yaml", directory=BAD).nodes) == 1


def test_a_node_that_is_called_so_has_its_own_faults() -> None:
    """What cannot stand under the key of that name is a node's, right or wrong."""
    with pytest.raises(InputError, match="unknown key 'adress'") as caught:
        parse("nodes: {default: {adress: 10.0.0.1}}", file="lab.yaml", directory=BAD)
    assert len(caught.value.faults) == 1


def test_a_count_keeps_its_name_in_what_is_told() -> None:
    """A key that stands behind a node which counts belongs to it as the file calls it."""
    with pytest.raises(InputError, match="the node that it is of, as 'guest'") as caught:
        parse("nodes:\n  guest: {count: 2}\n  address: 10.0.0.9\n", file="lab.yaml", directory=BAD)
    assert len(caught.value.faults) == 1
