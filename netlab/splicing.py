"""Put wires into the cables of a lab that goes on, or take them out, while packets pass.

A port is on its bridge, or on a wire whose other end is. While it changes, it is on both for a moment, in
which a packet may come twice; none is lost. Counterpart: `netlab.wiring`, which makes both.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from netlab import rewiring
from netlab.kernel import namespace, relinking
from netlab.kernel.netlink import RouteSocket
from netlab.kernel.relinking import GONE
from netlab.plan.model import Plan, Port
from netlab.plan.names import wire_ends
from netlab.plan.segments import relayed
from netlab.wiring import LINK_SECONDS, splice

# What is no port of a bridge need not be forgotten.
NO_PORT = GONE | {errno.EOPNOTSUPP, errno.EINVAL}


@dataclass(frozen=True, slots=True)
class Splicing:
    """A change from one plan's wires to another's; `indexes` are those of all that either has in the fabric.

    `begin` and `end` bring it from whatever half-way state to where they stand; between them the relay takes
    up the new plan's wires, and leaves the others. The same with the plans exchanged takes it back.
    """

    fabric: int
    old: Plan
    new: Plan
    indexes: Mapping[str, int]

    def begin(self) -> None:
        """Let what gets a wire have its far end, and put what loses it on its bridge."""
        bridges = {switch.name: self.indexes[switch.bridge] for switch in self.new.switches}
        with namespace.entered(self.fabric), RouteSocket() as route:
            made: dict[int, str] = {}
            for port in self._turned():
                bridge = bridges[port.switch]
                _, outer = wire_ends(port.port)
                if relayed(port):
                    made |= splice(port, self.indexes, bridge, route)
                    self._join(route, outer, bridge)
                else:
                    self._join(route, port.port, bridge)
                    self._forget(route, outer)
            route.wait_running(made, LINK_SECONDS)

    def _join(self, route: RouteSocket, name: str, bridge: int) -> None:
        """Make a link a port of a bridge, as it may be already."""
        index, what = self.indexes[name], f"link {name}"
        joined = relinking.link_master(index, bridge, what)
        route.send([joined, relinking.port_learning(index, what, learns=True)])

    def _forget(self, route: RouteSocket, name: str) -> None:
        """Let a bridge forget who is behind a port that is to go, and flood what is for them."""
        message = relinking.port_learning(self.indexes[name], f"link {name}", learns=False)
        route.send([message], NO_PORT)

    def end(self) -> None:
        """Take what has a wire off its bridge, and remove what is left of the others'."""
        with namespace.entered(self.fabric), RouteSocket() as route:
            for port in self._turned():
                if relayed(port):
                    self._forget(route, port.port)
                    what = f"link {port.port}"
                    route.send([relinking.link_master(self.indexes[port.port], None, what)])
                else:
                    _, outer = wire_ends(port.port)
                    route.send([relinking.link_remove(self.indexes[outer], f"link {outer}")], GONE)

    def _turned(self) -> Iterator[Port]:
        """Yield the ports, as they are to be, that stay and get or lose a wire."""
        before = {(port.node, port.interface): port for port in self.old.ports}
        for port in self.new.ports:
            old = before.get((port.node, port.interface))
            if old is not None and not rewiring.remade(old, port) and relayed(old) != relayed(port):
                yield port
