"""Good files, spoilt: all that is shipped, or that README or the reference shows, each with pieces changed.

What comes of it has faults or is a topology that can be planned, and comes soon.
"""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.errors import InputError
from netlab.plan import make_plan
from netlab.topology import load, parse
from netlab.topology.language import NOTES, SECTIONS

ROOT = Path(__file__).parents[3]
TOPOLOGIES = ROOT / "topologies"
README = (ROOT / "README.md").read_text()
# Name → text, and the directory that its paths start from.
GOOD = {path.stem: (path.read_text(), TOPOLOGIES) for path in sorted(TOPOLOGIES.glob("*.yaml"))} | {
    f"readme-{number}": (block, ROOT)
    for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL))
}
GOOD |= {f"reference-{section.name}": (section.example, TOPOLOGIES) for section in SECTIONS}
GOOD |= {
    f"reference-{note.title.split()[0]}-{number}": (text, TOPOLOGIES)
    for note in NOTES
    for number, text in enumerate(note.examples)
}
# No variation of a good file comes near it on an idle machine; a backtracking pattern or a bomb goes beyond.
SECONDS = 1.0

WORDS = st.sampled_from(
    """null ~ 0 1 65536 -1 1e9 0o17 1:30 10.0 yes {n} [] {} '' "" * & ! | > # - ? : , [ ] { }
    10.0.0.1 10.0.0.0/24 0.0.0.0/0 fd00::1 fd00::/64 lan web client node kind kinds count extends <<
    wire loss 5% 1st drop netem 20ms
    *a &a !t web.yaml web-rst.yaml address interfaces services dns http zones www firewall switch hub true
    environment files start limits routes default nat nft 100 1000 @ lab.test""".split()  # noqa: SIM905 — as a list it would be a page
)
EDITS = st.tuples(
    st.sampled_from(["delete", "repeat", "swap", "indent", "outdent", "word", "append", "cut"]),
    st.integers(0, 200),
    st.integers(0, 200),
    WORDS,
)


def changed(text: str, edits: list[tuple[str, int, int, str]]) -> str:
    """Return a text with lines and words of it moved, replaced and removed."""
    for what, first, second, word in edits:
        lines = text.split("\n")
        at, to = first % len(lines), second % len(lines)
        match what:
            case "delete":
                del lines[at]
            case "repeat":
                lines.insert(to, lines[at])
            case "swap":
                lines[at], lines[to] = lines[to], lines[at]
            case "indent":
                lines[at] = "  " + lines[at]
            case "outdent":
                lines[at] = lines[at].removeprefix("  ")
            case "append":
                lines[at] += " " + word
            case "word" | "cut":
                found = list(re.finditer(r"[^\s,{}\[\]]+", lines[at])) or [re.match("", lines[at])]
                one = found[second % len(found)]
                assert one is not None
                lines[at] = lines[at][: one.start()] + word * (what == "word") + lines[at][one.end() :]
        text = "\n".join(lines)
    return text


@pytest.mark.parametrize("name", GOOD)
def test_each_is_good(name: str) -> None:
    """What is shipped and shown loads and can be planned: it is what the mutations begin with."""
    text, directory = GOOD[name]
    make_plan(parse(text, file=str(directory / "lab.yaml"), directory=directory))


@pytest.mark.parametrize("name", GOOD)
@settings(max_examples=60)
@given(edits=st.lists(EDITS, min_size=1, max_size=8))
def test_a_spoilt_one_has_an_answer(name: str, edits: list[tuple[str, int, int, str]]) -> None:
    """No traceback and no long wait; what loads has a plan, unless it lacks the containers it names."""
    good, directory = GOOD[name]
    text = changed(good, edits)
    began = time.process_time()
    topology = None
    with contextlib.suppress(InputError):
        topology = parse(text, file=str(directory / "lab.yaml"), directory=directory)
    if topology is not None:
        images = any(node.image for node in topology.nodes)
        assert make_plan(topology, backend="docker" if images else None).nodes
    assert time.process_time() - began < SECONDS


def test_ten_mebibytes_are_refused_at_once(tmp_path: Path) -> None:
    """So large a file is not even read to its end."""
    (tmp_path / "lab.yaml").write_text("nodes: {a: }\n" + "# more\n" * (10 * 2**20 // 7))
    began = time.process_time()
    with pytest.raises(InputError, match="larger than 1 MiB"):
        load(tmp_path / "lab.yaml")
    assert time.process_time() - began < SECONDS
