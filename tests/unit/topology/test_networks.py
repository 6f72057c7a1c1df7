"""What networks and interfaces are in their long form, and who is on a network alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlab.errors import InputError
from netlab.topology import parse
from netlab.topology.model import Topology


def read(text: str) -> Topology:
    """Read a topology from a file that is called lab.yaml."""
    return parse(text, file="lab.yaml", directory=Path("/nowhere"))


def test_a_network_left_empty_gets_a_subnet() -> None:
    """The lowest /24 of 10.0.0.0/8, and the lowest /64 of fd00::/48, that no network asks for."""
    topology = read(
        "networks: {a: , b: 10.0.0.0/24, c: {subnet6: auto}, d: {subnet6: fd00::/64},"
        " e: {subnet: none, subnet6: auto}}\n"
        "nodes: {x: {interfaces: {a: , b: , c: , d: , e: }}}"
    )
    assert [(one.name, str(one.subnet), str(one.subnet6)) for one in topology.networks] == [
        ("a", "10.0.1.0/24", "None"),
        ("b", "10.0.0.0/24", "None"),
        ("c", "10.0.2.0/24", "fd00:0:0:1::/64"),
        ("d", "10.0.3.0/24", "fd00::/64"),
        ("e", "None", "fd00:0:0:2::/64"),
    ]


def test_both_addresses_are_automatic_or_by_hand() -> None:
    """Each is the lowest that is free; `address6` beside `address` is short for the one network's."""
    topology = read(
        "networks: {lan: {subnet6: fd00:1::/64}}\n"
        "nodes: {a: , b: {address: 10.0.0.1}, c: {address6: fd00:1::1},"
        " d: {address6: fd00:1::c, address: 10.0.0.9}}"
    )
    assert [(str(one.address), str(one.address6)) for node in topology.nodes for one in node.interfaces] == [
        ("10.0.0.2", "fd00:1::2"),
        ("10.0.0.1", "fd00:1::3"),
        ("10.0.0.3", "fd00:1::1"),
        ("10.0.0.9", "fd00:1::c"),
    ]


def test_where_there_is_ipv6_alone_an_address_is_one_of_it() -> None:
    """The short form of an interface means the version that its network has."""
    topology = read(
        "networks: {lan: {subnet: none, subnet6: auto}}\nnodes: {a: {interfaces: {lan: fd00::7}}}"
    )
    (interface,) = topology.node("a").interfaces
    assert (interface.address, str(interface.address6)) == (None, "fd00::7")


def test_an_interface_in_its_long_form() -> None:
    """MACs are written alike, in whatever form they stand; up is the default."""
    topology = read(
        "nodes: {a: {interfaces: {lan: {mac: 02-00-00-00-00-0A, up: no}}}, b: {interfaces: {lan: {}}}}"
    )
    first, second = (node.interfaces[0] for node in topology.nodes)
    assert (first.mac, first.up, str(first.address)) == ("02:00:00:00:00:0a", False, "10.0.0.1")
    assert (second.mac, second.up, str(second.address)) == (None, True, "10.0.0.2")


def test_a_lab_of_one_node_may_be_alone() -> None:
    """There is nobody else: only where others are, a node alone on a network is a mistake."""
    assert len(read("networks: {a: , b: }\nnodes: {x: {interfaces: {a: , b: }}}").networks) == 2
    with pytest.raises(InputError, match="alone on the network 'b'"):
        read("networks: {a: , b: }\nnodes: {x: {interfaces: {a: , b: }}, y: {interfaces: {a: }}}")


def test_a_thousand_networks_are_read_in_a_moment() -> None:
    """Each gets its own subnet, without a look at all those before it."""
    names = [f"n{number}" for number in range(1000)]
    text = "networks:\n" + "".join(f"  {name}: {{subnet6: auto}}\n" for name in names)
    topology = read(text + "nodes: {x: {interfaces: {" + ", ".join(f"{name}: " for name in names) + "}}}")
    assert len({one.subnet for one in topology.networks}) == len(names)
    assert len({one.subnet6 for one in topology.networks}) == len(names)
