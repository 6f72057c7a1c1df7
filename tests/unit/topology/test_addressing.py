"""Who gets which address on which network."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import InputError
from netlab.topology import parse
from netlab.topology.model import Topology


def read(text: str, directory: Path = Path("/nowhere")) -> Topology:
    """Read a topology from a file that is called lab.yaml."""
    return parse(text, file="lab.yaml", directory=directory)


def addresses(topology: Topology) -> dict[str, list[str]]:
    """Return every node's addresses."""
    return {node.name: [str(one.address) for one in node.interfaces] for node in topology.nodes}


def test_addresses_are_the_lowest_that_no_one_asked_for() -> None:
    """Given addresses are reserved first, wherever they stand; the rest follows in the order of the file."""
    topology = read("nodes: {a: , b: {address: 10.0.0.1}, c: , d: {address: 10.0.0.3}, e: }")
    assert addresses(topology) == {
        "a": ["10.0.0.2"],
        "b": ["10.0.0.1"],
        "c": ["10.0.0.4"],
        "d": ["10.0.0.3"],
        "e": ["10.0.0.5"],
    }


def test_interfaces_are_numbered_in_the_order_of_the_file() -> None:
    """eth0 is the first network that a node names, not the first that the file declares."""
    topology = read(
        "networks: {lan: 10.0.0.0/24, dmz: 10.0.1.0/24}\n"
        "nodes: {a: {interfaces: {dmz: 10.0.1.9, lan: }}, b: {interfaces: {lan: , dmz: }}}"
    )
    interfaces = topology.node("a").interfaces
    assert [(one.name, one.network, str(one.address)) for one in interfaces] == [
        ("eth0", "dmz", "10.0.1.9"),
        ("eth1", "lan", "10.0.0.1"),
    ]


@given(st.permutations([f"n{number}" for number in range(8)]), st.sets(st.integers(1, 14), max_size=8))
def test_addresses_never_repeat(names: list[str], wanted: set[int]) -> None:
    """Whoever asks for whatever, all get different hosts of the subnet, and those who asked get theirs."""
    asked = dict(zip(names, sorted(wanted), strict=False))
    lines = [f"  {name}: {{address: {f'10.0.0.{asked[name]}' if name in asked else ''}}}" for name in names]
    topology = read("networks: {lan: 10.0.0.0/28}\nnodes:\n" + "\n".join(lines))
    got = {node.name: node.interfaces[0].address for node in topology.nodes}
    assert len(set(got.values())) == 8
    assert all(got[name] == IPv4Address(f"10.0.0.{number}") for name, number in asked.items())
    free = [number for number in range(1, 15) if number not in asked.values()]
    rest = [int(got[name]) & 15 for name in names if name not in asked]
    assert rest == free[: len(rest)]


def test_as_many_nodes_as_a_bridge_has_ports() -> None:
    """1023 nodes fit on one switch, and the 1024th is the one at fault."""
    lines = ["networks: {lan: 10.0.0.0/16}", "nodes:", *(f"  n{number}:" for number in range(1, 1025))]
    assert len(read("\n".join(lines[:-1])).nodes) == 1023
    with pytest.raises(InputError) as caught:
        read("\n".join(lines))
    assert [fault.place.line for fault in caught.value.faults] == [1026]
