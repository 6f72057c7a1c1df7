"""The dictionary is true: its defaults are the loader's, and what it asks for are keys that there are."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from netlab.topology import parse
from netlab.topology.language import SECTIONS
from netlab.topology.language.shapes import Key
from netlab.topology.model import Topology

DIRECTORY = Path(__file__).parents[3] / "topologies"
# Section → a topology with a place for one more key of such a mapping.
PLACES = {
    "topology": "nodes: {a: , b: }\nKEY\n",
    "network": "networks: {lan: {KEY}}\nnodes: {a: , b: }\n",
    "node": "nodes: {a: {KEY}, b: }\n",
    "interface": "nodes: {a: {interfaces: {lan: {KEY}}}, b: }\n",
    "wire": "nodes: {a: {wire: {seed: 7, KEY}}, b: }\n",
    "way": "nodes: {a: {wire: {sent: {delay: 1 s, KEY}}}, b: }\n",
    "burst": "nodes: {a: {wire: {loss: {enter: 1%, leave: 5%, KEY}}}, b: }\n",
    "dns": "nodes: {a: {services: {dns: {zones: {lab.test: }, KEY}}}, b: }\n",
    "http": "nodes: {a: {services: {http: {content: www, KEY}}}, b: }\n",
    "exec": "nodes: {a: {services: {exec: {x: {run: server, KEY}}}}, b: }\n",
    "rule": "nodes: {a: {firewall: [{verdict: drop, KEY}]}, b: }\n",
    "file": "nodes: {a: {files: {/etc/motd: {text: hello, KEY}}}, b: }\n",
    "start": "nodes: {a: {start: {run: server, KEY}}, b: }\n",
}
DEFAULTS = [
    pytest.param(section.name, key, id=f"{section.name}-{key.name}")
    for section in SECTIONS
    for key in section.keys
    if key.default is not None
]


def read(place: str, key: str) -> Topology:
    """Read a topology with this key in its place."""
    return parse(PLACES[place].replace("KEY", key), file="lab.yaml", directory=DIRECTORY)


@pytest.mark.parametrize(("place", "key"), DEFAULTS)
def test_a_default_is_what_holds_without_the_key(place: str, key: Key) -> None:
    """A key with its default says what its absence says."""
    entry = yaml.safe_dump({key.name: key.default}, default_flow_style=True).strip().strip("{}")
    assert read(place, entry) == read(place, "")


def test_each_key_is_there_once() -> None:
    """A section names no key twice, and what it asks for are keys of its own."""
    for section in SECTIONS:
        names = section.names
        assert len(set(names)) == len(names)
        assert {*section.required, *section.one_of, *section.any_of} <= set(names)
        assert {one for only in section.only for one in (only.key, only.other)} <= set(names)
        assert {only.implied_by for only in section.only} <= {"", *names}
        assert not section.unless or section.unless in names
