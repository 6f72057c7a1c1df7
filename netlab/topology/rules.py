"""A node's packet filter and address translation as they were asked for, in the long form.

Read by `netlab.topology.firewall` and `netlab.topology.nat`; `netlab.plan.rules` decides how.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import TypeAlias

from netlab.errors import Place

Subnet: TypeAlias = IPv4Network | IPv6Network

CHAINS = ("input", "output", "forward")
PROTOCOLS = ("tcp", "udp", "icmp", "icmpv6")
WITH_PORTS = ("tcp", "udp")
FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg")
STATES = ("new", "established", "related")
VERDICTS = ("drop", "reject", "accept")


@dataclass(frozen=True, slots=True)
class Filter:
    """A rule in the file's own words; what is None or empty matches everything.

    `source`, `destination` and `states` are alternatives: a node's name stands for all its addresses. `name`
    is empty where the file gives none. All `flags` must be set (RFC 9293, section 3.1), others may be.
    """

    verdict: str
    chain: str = "input"
    name: str = ""
    protocol: str | None = None
    source: tuple[Subnet, ...] = ()
    destination: tuple[Subnet, ...] = ()
    port: int | None = None
    source_port: int | None = None
    flags: tuple[str, ...] = ()
    states: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Forward:
    """A port of the router's outer address, and who inside answers for it."""

    protocol: str
    port: int
    address: IPv4Address
    to_port: int


@dataclass(frozen=True, slots=True)
class Nat:
    """Traditional NAT (RFC 3022): what leaves on the `masquerade` networks has the router's address there.

    `forward` are ports of that address which inner hosts answer for.
    """

    masquerade: tuple[str, ...]
    forward: tuple[Forward, ...] = ()


@dataclass(frozen=True, slots=True)
class RawRules:
    """Rules in nft's language, for nft to read.

    `place` is where the text's first line stands in the file, `indent` how far each of its lines is indented
    there; None where the text is quoted, so that its lines are not the file's.
    """

    text: str
    place: Place = field(compare=False)
    indent: int | None = field(default=None, compare=False)
