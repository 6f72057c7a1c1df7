"""Hooks of a script's, through which the segments of a crafted connection pass, as packets of Scapy's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scapy.packet import Packet

Hook = Callable[["Packet"], "Packet | Iterable[Packet] | None"]
"""Gets a packet, from its IP header on; returns what takes its place: itself, another, several, or None."""


class Showing:
    """Shows segments to the hooks of one connection, and remembers how these have done."""

    def __init__(self, version: int) -> None:
        self._version = version
        self._passed: dict[str, int] = {}  # by the hook's name: how many segments it has let through
        self.has_failed = False

    @property
    def held_back(self) -> str:
        """What to ask of a hook that has let no segment pass; empty where there is none such."""
        stuck = (name for name, passed in self._passed.items() if not passed)
        return ", ".join(f"every segment was held back by {name}: does it return them?" for name in stuck)

    def through(self, name: str, hook: Hook, data: bytes) -> list[bytes]:
        """Show a datagram to a hook, and return what becomes of it; TypeError for what is no packet."""
        from scapy.layers.inet import IP
        from scapy.layers.inet6 import IPv6

        self.has_failed = True  # until it has returned, and something sound
        packets = _packets(name, hook((IP if self._version == 4 else IPv6)(data)))
        made = [rebuilt(packet) for packet in packets]
        self.has_failed = False
        self._passed[name] = self._passed.get(name, 0) + bool(made)
        return made


def _packets(name: str, returned: object) -> list[Packet]:
    from scapy.packet import Packet

    if isinstance(returned, Packet):
        return [returned]
    several = isinstance(returned, Iterable) and not isinstance(returned, str | bytes)
    packets = [] if returned is None else list(returned) if several else [returned]  # type: ignore[call-overload]
    for each in packets:
        if not isinstance(each, Packet):
            what = f"{name} returned {each!r:.60}, and is to return the packet, several, or None"
            raise TypeError(what)
    return packets


def rebuilt(packet: Packet) -> bytes:
    """Return a packet's bytes; where a hook has changed it, with lengths and checksums that are right again.

    What the hook has set itself stays: that is how a wrong checksum is made.
    """
    original = packet.original
    data = bytes(packet)
    if data == original or not original:
        return data
    before = packet.__class__(original)
    for layer, was in zip(packet.iterpayloads(), before.iterpayloads(), strict=False):
        for name in ("len", "plen", "chksum", "dataofs", "ihl"):
            if (
                layer.__class__ is was.__class__
                and name in layer.fields
                and layer.fields[name] == was.fields.get(name)
            ):
                del layer.fields[name]
                layer.raw_packet_cache = None
    return bytes(packet)
