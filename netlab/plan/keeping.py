"""Interfaces of a lab that goes on keep their names: a plan is fitted to the one that it follows.

The names of switch ports and bridges depend on what stands before them in the file (`netlab.plan.names`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netlab.plan.model import Plan
from netlab.plan.names import IFNAMSIZ, PORT_ROOM


def keep_names(old: Plan, new: Plan) -> Plan:
    """Return the new plan with the old names of the ports and bridges that both have.

    What is new gets a name that no interface of either had, since old ones may go last.
    """
    bridges = {switch.name: switch.bridge for switch in old.switches}
    ports = {(port.node, port.interface): port.port for port in old.ports}
    fresh = _Fresh([*bridges.values(), *ports.values()])
    switches = tuple(
        replace(one, bridge=bridges[one.name] if one.name in bridges else fresh.name(one.bridge, IFNAMSIZ))
        for one in new.switches
    )
    nodes = tuple(
        replace(
            node,
            ports=tuple(
                replace(port, port=ports.get((port.node, port.interface)) or fresh.name(port.port, PORT_ROOM))
                for port in node.ports
            ),
        )
        for node in new.nodes
    )
    return replace(new, switches=switches, nodes=nodes)


class _Fresh:
    """Gives out names that are not taken; where one is, what is cut off makes room for a number."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)

    def name(self, wanted: str, room: int) -> str:
        number, name = 0, wanted
        while name in self._taken:
            number += 1
            tail = f"~{number}"
            name = wanted.partition("~")[0][: room - len(tail)] + tail
        self._taken.add(name)
        return name
