"""The route netlink messages that change what a lab's start has made, beside those of `kernel.netlink`.

A test holds each to pyroute2's own encoding.
"""

from __future__ import annotations

import errno
import socket
import struct
from ipaddress import IPv4Address, IPv6Address

from netlab.kernel.netlink import (
    NLM_F_CREATE,
    NLM_F_REQUEST,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWROUTE,
    Message,
    attribute,
)

RTM_DELLINK, RTM_DELADDR, RTM_DELROUTE, RTM_DELNEIGH = 17, 21, 25, 29
NLM_F_REPLACE = 0x100

# What is not there need not be removed, and what is there need not be added.
GONE = frozenset({errno.ENODEV, errno.ESRCH, errno.ENOENT, errno.EADDRNOTAVAIL})
THERE = frozenset({errno.EEXIST})

_IFF_UP = 0x1
_IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_INFO_KIND, _IFLA_INFO_DATA = 4, 10, 18, 1, 2
_IFLA_INFO_SLAVE_KIND, _IFLA_INFO_SLAVE_DATA = 4, 5
_IFLA_BRPORT_LEARNING, _IFLA_BRPORT_FLUSH = 8, 24
_IFLA_BR_AGEING_TIME, _IFLA_BR_FDB_FLUSH = 4, 21
_NDA_DST = 1
_AGEING = 300 * 100  # in hundredths of a second: what the kernel gives a new bridge

_LINK = struct.Struct("=BxHiII")
_NEIGHBOUR = struct.Struct("=B3xiHBB")
_U32 = struct.Struct("=I")
_REMOVALS = {RTM_NEWADDR: RTM_DELADDR, RTM_NEWROUTE: RTM_DELROUTE}


def removal(message: Message) -> Message:
    """Turn the addition of an address or a route into its removal, which is GONE where there is none."""
    return message._replace(kind=_REMOVALS[message.kind], flags=NLM_F_REQUEST)


def replacing(message: Message) -> Message:
    """Let an addition take the place of a route to the same destination."""
    return message._replace(flags=NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE)


def link_remove(ifindex: int, what: str) -> Message:
    """Remove a link; of a veth pair, the other end goes with it."""
    return Message(RTM_DELLINK, NLM_F_REQUEST, _LINK.pack(0, 0, ifindex, 0, 0), what)


def link_state(ifindex: int, what: str, *, up: bool) -> Message:
    """Bring a link up or down."""
    return Message(RTM_NEWLINK, NLM_F_REQUEST, _LINK.pack(0, 0, ifindex, _IFF_UP * up, _IFF_UP), what)


def link_mtu(ifindex: int, mtu: int, what: str) -> Message:
    """Set a link's MTU, in bytes."""
    body = _LINK.pack(0, 0, ifindex, 0, 0) + attribute(_IFLA_MTU, _U32.pack(mtu))
    return Message(RTM_NEWLINK, NLM_F_REQUEST, body, f"MTU {mtu} of {what}")


def link_master(ifindex: int, bridge: int | None, what: str) -> Message:
    """Make a link a port of a bridge (an ifindex), or of none."""
    body = _LINK.pack(0, 0, ifindex, 0, 0) + attribute(_IFLA_MASTER, _U32.pack(bridge or 0))
    return Message(RTM_NEWLINK, NLM_F_REQUEST, body, what)


def port_learning(ifindex: int, what: str, *, learns: bool) -> Message:
    """Let a bridge forget who is behind a port of it, and learn that anew or no more."""
    data = attribute(_IFLA_BRPORT_LEARNING, bytes([learns])) + attribute(_IFLA_BRPORT_FLUSH, b"")
    kind = attribute(_IFLA_INFO_SLAVE_KIND, b"bridge\0") + attribute(_IFLA_INFO_SLAVE_DATA, data)
    body = _LINK.pack(0, 0, ifindex, 0, 0) + attribute(_IFLA_LINKINFO, kind)
    return Message(RTM_NEWLINK, NLM_F_REQUEST, body, what)


def bridge_learning(ifindex: int, what: str, *, learns: bool) -> Message:
    """Let a bridge learn where addresses are, or forget them at once; what it knows now it forgets."""
    data = attribute(_IFLA_BR_AGEING_TIME, _U32.pack(_AGEING if learns else 0))
    data += attribute(_IFLA_BR_FDB_FLUSH, b"")
    kind = attribute(_IFLA_INFO_KIND, b"bridge\0") + attribute(_IFLA_INFO_DATA, data)
    body = _LINK.pack(0, 0, ifindex, 0, 0) + attribute(_IFLA_LINKINFO, kind)
    return Message(RTM_NEWLINK, NLM_F_REQUEST, body, what)


def neighbour_remove(ifindex: int, address: IPv4Address | IPv6Address, what: str) -> Message:
    """Forget the MAC of a neighbour (ARP, RFC 826; neighbour discovery, RFC 4861)."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    body = _NEIGHBOUR.pack(family, ifindex, 0, 0, 0) + attribute(_NDA_DST, address.packed)
    return Message(RTM_DELNEIGH, NLM_F_REQUEST, body, f"neighbour {address} of {what}")
