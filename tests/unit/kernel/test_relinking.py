"""The messages that change a lab are what pyroute2 would send."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Interface, IPv6Address
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ndmsg import ndmsg

from netlab.kernel import netlink, relinking
from tests.unit.kernel.test_netlink import REQUEST, SEQUENCE, encoded, indexes, info, link


@given(indexes, st.booleans(), st.integers(68, 65535))
def test_links_are_what_pyroute2_encodes(ifindex: int, up: bool, mtu: int) -> None:
    """A link's removal, its state and its MTU."""
    gone = link(relinking.RTM_DELLINK, REQUEST, [], {"index": ifindex})
    assert relinking.link_remove(ifindex, "x").encode(SEQUENCE) == gone
    state = link(netlink.RTM_NEWLINK, REQUEST, [], {"index": ifindex, "flags": int(up), "change": 1})
    assert relinking.link_state(ifindex, "x", up=up).encode(SEQUENCE) == state
    other = link(netlink.RTM_NEWLINK, REQUEST, [("IFLA_MTU", mtu)], {"index": ifindex})
    assert relinking.link_mtu(ifindex, mtu, "x").encode(SEQUENCE) == other


@given(indexes, st.booleans())
def test_learning_is_what_pyroute2_encodes(ifindex: int, learns: bool) -> None:
    """A bridge forgets what it knows, and is told how long it may know anything."""
    data = [("IFLA_BR_AGEING_TIME", 30000 if learns else 0), ("IFLA_BR_FDB_FLUSH", None)]
    wanted = link(netlink.RTM_NEWLINK, REQUEST, [info("bridge", data)], {"index": ifindex})
    assert relinking.bridge_learning(ifindex, "x", learns=learns).encode(SEQUENCE) == wanted


@given(indexes, indexes, st.booleans())
def test_ports_are_what_pyroute2_encodes(ifindex: int, bridge: int, learns: bool) -> None:
    """A link becomes a port, or none; a port forgets who is behind it."""
    for master in (bridge, None):
        wanted = link(netlink.RTM_NEWLINK, REQUEST, [("IFLA_MASTER", master or 0)], {"index": ifindex})
        assert relinking.link_master(ifindex, master, "x").encode(SEQUENCE) == wanted
    data = [("IFLA_BRPORT_LEARNING", int(learns)), ("IFLA_BRPORT_FLUSH", None)]
    slave = {"attrs": [("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", {"attrs": data})]}
    wanted = link(netlink.RTM_NEWLINK, REQUEST, [("IFLA_LINKINFO", slave)], {"index": ifindex})
    assert relinking.port_learning(ifindex, "x", learns=learns).encode(SEQUENCE) == wanted


@given(indexes, st.ip_addresses())
def test_neighbours_are_what_pyroute2_encodes(ifindex: int, address: IPv4Address | IPv6Address) -> None:
    """A neighbour is forgotten by its link and its address."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    fields = {"family": family, "ifindex": ifindex}
    attributes: list[Any] = [("NDA_DST", str(address))]
    wanted = encoded(ndmsg(), relinking.RTM_DELNEIGH, REQUEST, fields, attributes)
    assert relinking.neighbour_remove(ifindex, address, "x").encode(SEQUENCE) == wanted


def test_removals_say_what_additions_said() -> None:
    """They differ from these in their kind and flags alone."""
    address = IPv4Interface("10.0.0.1/24")
    for added in (
        netlink.address_add(100, address, "x"),
        netlink.route_add(100, address, 1000, "x"),
        netlink.gateway_add(100, address.network, address.ip, 1000, "x"),
    ):
        removed = relinking.removal(added)
        assert (removed.kind, removed.flags, removed.body) == (added.kind + 1, REQUEST, added.body)
        replaced = relinking.replacing(added)
        assert (replaced.kind, replaced.flags, replaced.body) == (added.kind, 0x501, added.body)
