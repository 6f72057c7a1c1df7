"""The wires of a lab that goes on: the step that changes them, the plan of a new one, and what they did."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from netlab.backends.inside import channel
from netlab.backends.inside.altering import Step
from netlab.backends.inside.standing import Standing
from netlab.errors import LabError, UsageError
from netlab.plan import cables
from netlab.plan.changes import Comparison
from netlab.plan.model import Plan, Port
from netlab.plan.names import wire_seed
from netlab.plan.segments import relayed
from netlab.splicing import Splicing
from netlab.topology.impairing import impaired
from netlab.topology.wires import Chance, Wire

_MOST_TOLD = channel.LARGEST // 2  # bytes of cables in one message


def step(lab: Standing, comparison: Comparison, fabric: tuple[int, Mapping[str, int]]) -> Iterator[Step]:
    """Yield what makes a lab's wires those of another plan; `fabric`: its namespace, and ifindexes then."""
    namespace, after = fabric
    before, old, new = lab.indexes, lab.request.plan, comparison.new
    wired = [[port for port in plan.ports if relayed(port)] for plan in (old, new)]
    if wired[0] == wired[1]:
        return
    there, back = (Splicing(namespace, *plans, {**before, **after}) for plans in ((old, new), (new, old)))
    begun = False

    def change() -> None:
        nonlocal begun
        if not set(wired[1]) <= set(wired[0]):  # to take wires away needs no relay
            lab.wires.check()
        begun = True
        there.begin()
        lab.wires.follow(new, after)
        there.end()

    def take_back() -> None:
        if begun:
            back.begin()
            lab.wires.follow(old, before, back=True)
            back.end()
            lab.wires.settle(old)

    subject = next((one.subject for one in comparison.changes if one.aspect == "wire"), "")
    yield Step(subject, ("wire",), change, take_back, lambda: lab.wires.settle(new))


def planned(plan: Plan, asked: Mapping[str, Any]) -> Plan:
    """Return a plan in which a cable has the wire that is asked for; UsageError where that cannot be.

    `asked` has the `node`, the `interface` where it has several, and the `words` for the `ways`; without
    words the wire is taken away.
    """
    node = plan.node(asked["node"])
    chosen = _chosen(node.ports, asked["interface"], node.name)
    wire = None
    if asked["words"]:
        wire = impaired(chosen.wire, asked["words"], node.name, asked["ways"])
        if wire.seed is None:
            wire = replace(wire, seed=wire_seed(plan.seed, node.name, chosen.switch))
    elif set(asked["ways"]) != {"sent", "received"} and chosen.wire is not None:
        ways: dict[str, Any] = dict.fromkeys(asked["ways"], Chance())
        wire = replace(chosen.wire, **ways)
    ports = tuple(replace(port, wire=wire) if port is chosen else port for port in node.ports)
    nodes = (replace(node, ports=ports) if each is node else each for each in plan.nodes)
    return replace(plan, nodes=tuple(nodes))


def _chosen(ports: tuple[Port, ...], interface: str | None, node: str) -> Port:
    """Return the interface that is meant: by its name or its network's, or the only one."""
    if interface is None and len(ports) == 1:
        return ports[0]
    for port in ports:
        if interface in (port.interface, port.switch):
            return port
    names = ", ".join(f"{port.interface} ({port.switch})" for port in ports)
    if interface is None:
        raise UsageError(f"node {node} has several interfaces", f"choose one with --interface: {names}")
    raise UsageError(f"node {node} has no interface {interface!r}", f"there is {names}")


def told(lab: Standing, first: int = 0) -> dict[str, Any]:
    """Return each cable of the lab, with its wire and what that did until now, and how many were lost.

    From the `first` on, as many as go into one message; `more` says whether there are others. Where the
    kernel is the wire, or the relay has ended, nobody counts.
    """
    try:
        counts = lab.wires.counts()
    except LabError:
        counts = {"ports": {}, "lost": None}
    ports = lab.request.plan.ports
    listed: list[dict[str, Any]] = []
    size = 0
    for port in ports[first:]:
        cable = described(port, counts["ports"].get(port.port))
        size += len(json.dumps(cable))
        if listed and size > _MOST_TOLD:
            break
        listed.append(cable)
    return {"cables": listed, "lost": counts["lost"], "more": first + len(listed) < len(ports)}


def described(port: Port, counted: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what is told of a cable; `counted` is what its wire did, None where nobody counts."""
    about = {"node": port.node, "interface": port.interface, "network": port.switch}
    wire: Wire | None = port.wire
    if wire is None:
        return about | {"wire": None, "counted": None}
    data = cables.data(wire, port.node)
    return about | {"wire": data, "words": cables.words(wire, port.node), "counted": counted}
