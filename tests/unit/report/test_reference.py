"""The reference page is up to date and leaves nothing out; its examples load, its links lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from netlab.report import reference
from netlab.topology import parse
from netlab.topology.language import NOTES, SECTIONS, TOPOLOGY
from netlab.topology.language.shapes import sections
from netlab.topology.routing import on, reached
from tests.unit.topology.test_mutations import GOOD

PAGE = reference.text(SECTIONS, NOTES)


def test_the_committed_one_is_what_is_generated(committed: Callable[[str, str], None]) -> None:
    """topologies/README.md is up to date."""
    committed("README.md", PAGE)


def test_every_section_is_there() -> None:
    """What can be come to from the top of a file has its place in the page, with every key."""
    assert {section.name for section in SECTIONS} == set(sections(TOPOLOGY))
    for section in SECTIONS:
        part = PAGE.split(f"\n## {section.title}\n")[1].split("\n## ")[0]
        assert [row for row in section.names if f"\n| `{row}` |" not in part] == []


@pytest.mark.parametrize("block", re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
def test_each_example_loads(block: str, root: Path) -> None:
    """What is shown is a whole topology, as it would stand in topologies/."""
    directory = root / "topologies"
    assert parse(block, file=str(directory / "lab.yaml"), directory=directory).nodes


@pytest.mark.parametrize("name", [name for name in GOOD if name.startswith("re")])
def test_nobody_is_cut_off_in_an_example(name: str) -> None:
    """In what README and the reference show, routers join all networks: every node reaches every other."""
    text, directory = GOOD[name]
    nodes = parse(text, file=str(directory / "lab.yaml"), directory=directory).nodes
    up = [node for node in nodes if any(one.up for one in node.interfaces)]
    ways = [(node, [reached(nodes, node, version) for version in (4, 6)]) for node in up]
    lost = [
        f"{node.name} does not reach {other.name}"
        for node, (four, six) in ways
        for other in up
        if other is not node and four.isdisjoint(on(other, 4)) and six.isdisjoint(on(other, 6))
    ]
    assert lost == []


def test_links_lead_somewhere(root: Path) -> None:
    """A link is to a heading of the page, or to a file beside it."""
    anchors = {reference._anchor(title) for title in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert target.removeprefix("#") in anchors or (root / "topologies" / target).is_file(), target


def test_tables_have_four_cells() -> None:
    """No text of a cell breaks its row."""
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert [row for row in rows if len(re.split(r"(?<!\\)\|", row)) != 6] == []
