"""The catalogue of labs: what lab.yaml means, what it must not say, and that the shipped ones are sound."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netlab import topology
from netlab.errors import InputError, UsageError
from netlab.lab.catalogue import KEYS, Exercise, exercises, find, labs_root, topologies_root

GOOD = {
    "title": "a first lab",
    "order": "1",
    "rows": "[A1, A10]",
    "topology": "net.yaml",
    "node": "client",
    "script": "client.py",
}


def write(root: Path, name: str = "first", **changes: str | None) -> Path:
    """Write a lab that is sound but for the changes, a key left out where it is None; return its lab.yaml."""
    directory = root / "labs" / name
    directory.mkdir(parents=True)
    for file in ("client.py", "proof.py", "README.md"):
        (directory / file).write_text("")
    (root / "topologies").mkdir(exist_ok=True)
    (root / "topologies" / "net.yaml").write_text("nodes: {client: }\n")
    rows = {**GOOD, **changes}
    path = directory / "lab.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in rows.items() if value is not None))
    return path


def load(root: Path, name: str = "first") -> Exercise:
    """Find a lab of a root that `write` made."""
    return find(name, root / "labs", root / "topologies")


def faults(root: Path) -> list[str]:
    """Return the faults of the lab, each with its place and its words, without file and drawing."""
    with pytest.raises(InputError) as caught:
        load(root)
    return [f"{one.place.line}:{one.place.column}: {one.what} — {one.hint}" for one in caught.value.faults]


def test_every_key_has_its_meaning(tmp_path: Path) -> None:
    """All keys together give the exercise that they name, with absolute paths."""
    file = write(tmp_path, arguments="[--fast, 'two words']", time_limit="90", proof="proof.py")
    here = file.parent.resolve()
    assert load(tmp_path) == Exercise(
        name="first",
        title="a first lab",
        order=1,
        rows=("A1", "A10"),
        topology=(tmp_path / "topologies" / "net.yaml").resolve(),
        node="client",
        script=here / "client.py",
        arguments=("--fast", "two words"),
        time_limit=90.0,
        proof=here / "proof.py",
        readme=here / "README.md",
        limited=True,
    )


def test_defaults(tmp_path: Path) -> None:
    """Without the optional keys: no rows, no arguments, a minute, no proof."""
    write(tmp_path, rows=None)
    found = load(tmp_path)
    assert (found.rows, found.arguments, found.time_limit, found.proof) == ((), (), 60.0, None)


def test_whose_time_limit_counts(tmp_path: Path) -> None:
    """The lab's own limit comes before its topology's, and that before the minute of a lab without either."""
    write(tmp_path)
    assert [load(tmp_path).seconds(limit) for limit in (None, 7)] == [60.0, 7.0]
    write(tmp_path, "second", time_limit="90")
    assert [load(tmp_path, "second").seconds(limit) for limit in (None, 7)] == [90.0, 90.0]


def test_a_topology_beside_the_lab_comes_first(tmp_path: Path) -> None:
    """A lab's own topology wins over a shipped one of the same name; a script may be another lab's."""
    file = write(tmp_path, script="../second/client.py")
    write(tmp_path, "second")
    (file.parent / "net.yaml").write_text("nodes: {other: }\n")
    assert load(tmp_path).topology == file.parent.resolve() / "net.yaml"
    assert load(tmp_path).script == (tmp_path / "labs" / "second" / "client.py").resolve()


def test_teaching_order(tmp_path: Path) -> None:
    """The labs come by their order, then by name; a directory without lab.yaml is none."""
    for name, order in (("a", "3"), ("b", "1"), ("d", "2"), ("c", "2")):
        write(tmp_path, name, order=order)
    (tmp_path / "labs" / "__pycache__").mkdir()
    found = exercises(tmp_path / "labs", tmp_path / "topologies")
    assert [each.name for each in found] == ["b", "c", "d", "a"]


@pytest.mark.parametrize("key", ["title", "order", "topology", "node", "script"])
def test_a_missing_key_is_a_fault(tmp_path: Path, key: str) -> None:
    """Each key without a default is asked for by name, with an example."""
    write(tmp_path, **{key: None})
    (fault,) = faults(tmp_path)
    assert fault.startswith(f"1:1: the key '{key}' is missing — write {key}: and ")


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("order", "first", "2:8: 'first' is text — write a whole number from 0 to 10000"),
        ("rows", "[B1]", "3:8: 'B1' does not belong here — write rows of the table, as [A10]"),
        ("rows", "A1", "3:7: 'A1' is text — write rows of the table, as [A10]"),
        (
            "topology",
            "nte.yaml",
            "4:11: there is no file 'nte.yaml' here, nor among the shipped ones — correct its name",
        ),
        ("script", "klient.py", "6:9: there is no file 'klient.py' here — correct its name"),
        ("script", ".", "6:9: there is no file '.' here — correct its name"),
        ("script", '"\\0"', "6:9: a text with the character NUL — leave it out"),
        ("time_limit", "0", "7:13: 0 is out of range — write a whole number from 1 to 3600"),
        ("arguments", "[[x]]", "7:13: a list stands here — write the script's arguments, as [--expect-rst]"),
        ("proof", "[proof.py]", "7:8: a list stands here — write the name of a file, as client.py"),
        ("skript", "client.py", "7:1: unknown key 'skript' — did you mean 'script'?"),
    ],
)
def test_faults_have_a_place(tmp_path: Path, key: str, value: str, fault: str) -> None:
    """A wrong value is told at its line and column, with what should stand there; one cause, one fault."""
    write(tmp_path, **{key: value})
    assert faults(tmp_path) == [fault]


def test_faults_come_together(tmp_path: Path) -> None:
    """Every fault of a file is told at once; those of several labs too, when all are listed."""
    write(tmp_path, order="x", node="[]")
    write(tmp_path, "second", script="gone.py")
    assert len(faults(tmp_path)) == 2
    with pytest.raises(InputError) as caught:
        exercises(tmp_path / "labs", tmp_path / "topologies")
    assert len(caught.value.faults) == 3


def test_another_labs_fault_does_not_matter(tmp_path: Path) -> None:
    """A lab is found though the one beside it is broken."""
    write(tmp_path)
    write(tmp_path, "second", order="x")
    assert load(tmp_path).name == "first"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "the file is empty"),
        ("- a list\n", "a list stands here"),
        ("title: [\n", "this is not YAML"),
        (b"title: \xff\n", "the file cannot be read"),
    ],
)
def test_a_file_that_is_no_lab(tmp_path: Path, text: str | bytes, what: str) -> None:
    """What is empty, no mapping, no YAML or no UTF-8 is one fault, not a traceback."""
    write(tmp_path).write_bytes(text if isinstance(text, bytes) else text.encode())
    (fault,) = faults(tmp_path)
    assert what in fault


def test_a_lab_needs_its_worksheet(tmp_path: Path) -> None:
    """Without README.md there is nothing to teach from."""
    (write(tmp_path).parent / "README.md").unlink()
    assert faults(tmp_path) == ["1:1: there is no README.md beside this file — write the lab's worksheet"]


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("handshakes", "did you mean 'handshake'?"),
        ("xyz", "there is dns, handshake"),
        ("../labs/dns", "there is"),
    ],
)
def test_an_unknown_lab(tmp_path: Path, word: str, hint: str) -> None:
    """The nearest name is offered, else all; a path is no name."""
    for name in ("dns", "handshake"):
        write(tmp_path, name)
    with pytest.raises(UsageError) as caught:
        load(tmp_path, word)
    assert hint in str(caught.value)


def test_the_shipped_labs_are_sound(root: Path) -> None:
    """Each shipped lab loads, runs in a node that its topology has, and has rows and a proof."""
    assert (labs_root(), topologies_root()) == (root / "labs", root / "topologies")
    shipped = exercises()
    taught = ["ports", "dns", "headers", "udp", "handshake"]
    taught += ["close", "ordering", "window", "rst", "unfinished"]
    assert [each.name for each in shipped] == taught
    for each in shipped:
        assert each == find(each.name)
        assert each.node in [node.name for node in topology.load(each.topology).nodes]
        assert each.rows
        assert each.proof is not None


def test_worksheets_name_their_rows(root: Path) -> None:
    """A worksheet begins with the rows of its lab.yaml, which README's table has; it has five tasks."""
    labels = re.findall(r"^\| (A\d.*?) \|", (root / "README.md").read_text(), re.MULTILINE)
    table = {row for label in labels for row in label.split(", ")}
    for each in exercises():
        text = each.readme.read_text()
        named = re.search(r"^Rows? (.*) of README's table", text, re.MULTILINE | re.DOTALL)
        assert named
        assert tuple(re.findall(r"A\d+", named[1])) == each.rows
        assert set(each.rows) <= table
        assert "\n5. " in text
        assert f"**Hand in** your answers and `runs/{each.name}/`" in text


def test_the_tasks_keep_the_evidence() -> None:
    """What a worksheet's commands record never takes the place of what is handed in.

    No topology has a lab's name, after which `netlab run` would name its record; a lab that is run
    with arguments leaves its record elsewhere.
    """
    names = {each.name for each in exercises()}
    for each in exercises():
        assert topology.load(each.topology).name not in names
        text = " ".join(each.readme.read_text().split())
        assert f"your evidence, is written by `make lab-{each.name}` alone." in text
        spoken = re.findall(r"`(make lab-[^`]*)`", text)
        assert spoken
        assert not [one for one in spoken if len(one.split()) > 2 and "--out runs/" not in one]
        assert not re.search(rf"--out runs/({'|'.join(names)})\b", text)


def test_the_exercise_has_what_the_file_can_say() -> None:
    """No key of lab.yaml is read and then dropped."""
    assert set(KEYS) <= set(Exercise.__dataclass_fields__)
