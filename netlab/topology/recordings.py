"""Recordings of some packets as they were asked for; `netlab.topology.captures` reads them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

PROTOCOLS = ("arp", "icmp", "icmpv6", "tcp", "udp")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which packets: all that is given must fit, `hosts` (alternatives) and `port` at either end."""

    protocol: str | None = None
    hosts: tuple[IPv4Address | IPv6Address, ...] = ()
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """A recording of these networks (all, where empty), of each packet its first `snap` bytes."""

    name: str
    networks: tuple[str, ...] = ()
    selection: Selection = Selection()
    snap: int | None = None

    @property
    def file(self) -> str:
        """Its file's name, in the record of a run."""
        return f"{self.name}.pcapng"
