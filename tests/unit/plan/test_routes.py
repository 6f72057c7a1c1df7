"""The routes of every node: whoever is joined by routers is reached, and what is given comes first."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from netlab.plan import make_plan
from netlab.plan.model import Plan, PlannedNode
from netlab.topology import parse


def planned(text: str) -> Plan:
    """Plan a topology without content."""
    return make_plan(parse(text, file="lab.yaml", directory=Path("/nowhere")))


def ways(plan: Plan, name: str) -> list[str]:
    """Return a node's routes as `ip route` would have them."""
    return [f"{one.destination} via {one.gateway} dev {one.interface}" for one in plan.node(name).routes]


def walk(plan: Plan, start: PlannedNode, address: str) -> list[str]:
    """Follow the routes of one node after the other, as packets would; return the nodes that are passed."""
    owners = {str(one.ip): node for node in plan.nodes for port in node.ports for one in port.addresses}
    target, here, passed = ip_address(address), start, [start.name]
    while str(target) not in {str(one.ip) for port in here.ports for one in port.addresses}:
        assert here is start or here.router, f"{here.name} passes nothing on"
        assert len(passed) <= len(plan.nodes), f"a loop: {passed}"
        near = any(target in one.network for port in here.ports if port.up for one in port.addresses)
        fitting = [one for one in here.routes if target in one.destination]
        best = max(fitting, key=lambda one: one.destination.prefixlen, default=None)
        assert near or best, f"no way from {here.name} to {address}"
        step = str(target) if near or best is None else str(best.gateway)
        here = owners[step]
        passed.append(here.name)
    return passed


@st.composite
def graphs(draw: st.DrawFn) -> str:
    """Draw a connected graph: each network but the first is joined to an earlier one by a router."""
    count = draw(st.integers(2, 7))
    on: dict[str, set[int]] = {}
    for number in range(1, count):
        on[f"r{number}"] = {number, draw(st.integers(0, number - 1))}
    for number in range(draw(st.integers(0, 3))):
        on[f"x{number}"] = draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=4))
    hosts = {f"{letter}{number}": {number} for number in range(count) for letter in "hi"}
    six = draw(st.sampled_from(["", "subnet6: auto", "subnet: none, subnet6: auto"]))
    lines = ["networks:", *(f"  n{number}: {{{six}}}" for number in range(count)), "nodes:"]
    for name, networks in draw(st.permutations([*on.items(), *hosts.items()])):
        router = "router: true, " if name in on else ""
        attached = ", ".join(f"n{number}: " for number in sorted(networks))
        lines.append(f"  {name}: {{{router}interfaces: {{{attached}}}}}")
    return "\n".join(lines)


@given(graphs())
def test_everyone_reaches_everyone(text: str) -> None:
    """In a connected graph packets come from every node to every address, over routers, without loops."""
    plan = planned(text)
    addresses = [str(one.ip) for port in plan.ports for one in port.addresses]
    for node in plan.nodes:
        for address in addresses:
            walk(plan, node, address)


RING = """
networks: {a: 10.1.0.0/24, b: 10.2.0.0/24, c: 10.3.0.0/24, d: 10.4.0.0/24}
nodes:
  pc: {interfaces: {a: 10.1.0.9}%s}
  ab: {router: true, interfaces: {a: 10.1.0.1, b: 10.2.0.1}}
  ad: {router: true, interfaces: {a: 10.1.0.2, d: 10.4.0.2}}
  bc: {router: true, interfaces: {b: 10.2.0.3, c: 10.3.0.3}}
  cd: {router: true, interfaces: {c: 10.3.0.4, d: 10.4.0.4}}
"""


def test_the_shortest_way_and_the_first_of_equals() -> None:
    """Around a ring each goes the shorter way, and where both are as long by the file's first router."""
    assert ways(planned(RING % ""), "pc") == [
        "10.2.0.0/24 via 10.1.0.1 dev eth0",
        "10.3.0.0/24 via 10.1.0.1 dev eth0",
        "10.4.0.0/24 via 10.1.0.2 dev eth0",
    ]


def test_a_default_route_is_all_there_is() -> None:
    """A node that names its default gateway has no other route, and with `none` not even that."""
    assert ways(planned(RING % ", default: ad"), "pc") == ["0.0.0.0/0 via 10.1.0.2 dev eth0"]
    assert ways(planned(RING % ", default: 10.1.0.2"), "pc") == ["0.0.0.0/0 via 10.1.0.2 dev eth0"]
    assert ways(planned(RING % ", default: none"), "pc") == []


def test_given_routes_come_first() -> None:
    """What a route by hand covers is not computed, the rest is; a network's name stands for its subnet."""
    assert ways(planned(RING % ", routes: {c: ad, 10.9.0.0/16: 10.1.0.1}"), "pc") == [
        "10.3.0.0/24 via 10.1.0.2 dev eth0",
        "10.9.0.0/16 via 10.1.0.1 dev eth0",
        "10.2.0.0/24 via 10.1.0.1 dev eth0",
        "10.4.0.0/24 via 10.1.0.2 dev eth0",
    ]
    only = planned(RING % ", default: none, routes: {c: ad}")
    assert ways(only, "pc") == ["10.3.0.0/24 via 10.1.0.2 dev eth0"]


def test_no_way_leads_by_an_interface_that_is_down() -> None:
    """A router that is cut off on one side is no way to there; the long way round is."""
    cut = RING.replace("b: 10.2.0.1}", "b: {address: 10.2.0.1, up: false}}") % ""
    assert ways(planned(cut), "pc") == [
        "10.2.0.0/24 via 10.1.0.2 dev eth0",
        "10.3.0.0/24 via 10.1.0.2 dev eth0",
        "10.4.0.0/24 via 10.1.0.2 dev eth0",
    ]


def test_one_network_needs_no_route() -> None:
    """Without routers there are no routes, however many networks there are."""
    assert not any(node.routes for node in planned("nodes: {a: , b: }").nodes)
    apart = planned("networks: {x: , y: }\nnodes: {a: {interfaces: {x: , y: }}, b: {interfaces: {x: , y: }}}")
    assert not any(node.routes for node in apart.nodes)


def test_a_routers_default_covers_nothing() -> None:
    """What lies behind another router is reached by that one; what nobody knows leaves by the default."""
    plan = planned(
        "networks: {up: 10.0.0.0/24, between: 10.1.0.0/24, stub: 10.2.0.0/24}\nnodes:\n"
        "  isp: {router: true, interfaces: {up: 10.0.0.1}}\n"
        "  edge: {router: true, default: isp, interfaces: {up: 10.0.0.2, between: 10.1.0.1}}\n"
        "  inner: {router: true, interfaces: {between: 10.1.0.2, stub: 10.2.0.1}}\n"
        "  host: {interfaces: {stub: 10.2.0.9}}\n"
    )
    assert walk(plan, plan.node("edge"), "10.2.0.9") == ["edge", "inner", "host"]
    assert "0.0.0.0/0 via 10.0.0.1 dev eth0" in ways(plan, "edge")
