"""Labs drawn: every shipped topology in every format, and names that would be words of these formats."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from netlab.plan import make_plan
from netlab.plan.model import Plan
from netlab.report.formats import FORMATS
from netlab.topology import load, parse

TOPOLOGIES = sorted(path.stem for path in (Path(__file__).parents[3] / "topologies").glob("*.yaml"))
ENDINGS = {"text": "txt", "mermaid": "mmd", "dot": "dot", "svg": "svg"}

# Words of Mermaid and DOT, an image, an interface that is down, a node on three networks, many on one.
ODD = """
backend: docker
networks: {end: 10.0.0.0/24, graph: 10.1.0.0/24, subgraph: {subnet: 10.2.0.0/24, subnet6: "fd00::/64"}}
nodes:
  end: {interfaces: {end: , graph: , subgraph: }, router: true, firewall: [hold-back-rst]}
  node: {interfaces: {graph: }, image: "registry.test:5000/a-very-long-name-of-an-image/of-somebody:1.2.3"}
  strict: {interfaces: {end: , subgraph: }, nft: "table inet x"}
  class: {interfaces: {subgraph: }, services: {dns: {zones: {"a_b.test": {www: 10.0.0.1}}}}}
""" + "".join(f"  h{number}: {{interfaces: {{graph: }}}}\n" for number in range(8))


def odd() -> Plan:
    """Plan the odd lab."""
    return make_plan(parse(ODD, file="odd.yaml", directory=Path("/nowhere")))


@pytest.mark.parametrize("form", ENDINGS)
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_shipped_topologies(name: str, form: str, root: Path, golden: Callable[[str, str], None]) -> None:
    """What stands in the topology's own directory is drawn as it was when someone looked at it."""
    plan = make_plan(load(root / "topologies" / f"{name}.yaml"))
    golden(f"graphs/{name}.{ENDINGS[form]}", FORMATS[form](plan))


@pytest.mark.parametrize("form", ENDINGS)
def test_odd_names(form: str, golden: Callable[[str, str], None]) -> None:
    """Names that are words of the formats are names all the same."""
    golden(f"graphs/odd.{ENDINGS[form]}", FORMATS[form](odd()))


def test_the_picture_is_xml_within_its_bounds() -> None:
    """Every box lies within the picture, and no two overlap."""
    picture = ElementTree.fromstring(FORMATS["svg"](odd()))
    size = [int(picture.attrib[side]) for side in ("width", "height")]
    rectangles = picture.findall("{http://www.w3.org/2000/svg}rect")[1:]
    boxes = [
        tuple(int(rectangle.attrib[key]) for key in ("x", "y", "width", "height")) for rectangle in rectangles
    ]
    assert len(boxes) == len(odd().nodes)
    for number, (x, y, width, height) in enumerate(boxes):
        assert x > 0
        assert y > 0
        assert x + width < size[0]
        assert y + height < size[1]
        for other in boxes[number + 1 :]:
            apart = (other[0] >= x + width, other[0] + other[2] <= x, other[1] >= y + height)
            assert any(apart) or other[1] + other[3] <= y


@pytest.mark.skipif(shutil.which("dot") is None, reason="no Graphviz to read it")
def test_graphviz_reads_it() -> None:
    """Graphviz's own parser takes the DOT, and finds as many nodes and edges as the plan has."""
    plan = odd()
    done = subprocess.run(
        ["dot", "-Tplain"], input=FORMATS["dot"](plan), capture_output=True, text=True, check=True, timeout=30
    )
    lines = [line.split(" ", 1)[0] for line in done.stdout.splitlines()]
    assert lines.count("node") == len(plan.nodes) + len(plan.switches)
    assert lines.count("edge") == len(plan.ports)
