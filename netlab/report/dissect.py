"""From a frame's bytes to its headers: Ethernet, ARP, IPv4, IPv6, ICMP, ICMPv6, UDP and TCP.

No bytes make it raise: what cannot be read is told in the packet's `malformed`. It is plain `struct`, because
a trace is made after every run and Scapy would take longer for it than the run itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv6Address

from netlab.report.headers import (
    END_OF_OPTIONS,
    MSS,
    NO_OPERATION,
    SACK_PERMITTED,
    TIMESTAMPS,
    WINDOW_SCALE,
    Arp,
    Ethernet,
    Icmp,
    IPv4,
    IPv6,
    Packet,
    Tcp,
    TcpOption,
    Udp,
)

ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD  # EtherTypes
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58  # protocol numbers
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS, MOBILITY = 0, 43, 44, 51, 60, 135

_VLAN_TAGS = (0x8100, 0x88A8)
_EXTENSIONS = frozenset((HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS, MOBILITY))
_OPTION_LENGTHS = {MSS: 4, WINDOW_SCALE: 3, SACK_PERMITTED: 2, TIMESTAMPS: 10}

_ARP_HEADER = struct.Struct("!HHBBH6s4s6s4s")
_IPV4_HEADER = struct.Struct("!BBHHHBBH4B4B")
_TCP_HEADER = struct.Struct("!HHIIHHHH")
_UDP_HEADER = struct.Struct("!HHHH")


def dissect(data: bytes, original_length: int = 0) -> Packet:
    """Read a frame; `original_length` tells how long it was on the wire, where `data` is not all of it."""
    draft = _Draft(data, len(data), max(0, original_length - len(data)))
    _read_ethernet(draft)
    return draft.packet()


def dissect_ip(data: bytes) -> Packet:
    """Read bytes that begin with an IP header and may end anywhere, as an ICMP error quotes them."""
    draft = _Draft(data, len(data), 0xFFFF)
    if data[:1] and data[0] >> 4 == 6:
        _read_ipv6(draft, 0)
    else:
        _read_ipv4(draft, 0)
    return draft.packet()


@dataclass(slots=True)
class _Draft:
    """A packet while it is read: `end` is where the innermost payload ends in `data`.

    `missing` is how many bytes after `end` belong to that payload but were not captured.
    """

    data: bytes
    end: int
    missing: int
    start: int = 0
    ethernet: Ethernet | None = None
    arp: Arp | None = None
    ip: IPv4 | IPv6 | None = None
    transport: Tcp | Udp | Icmp | None = None
    malformed: str = ""

    def bad(self, what: str) -> None:
        """Note what is wrong; the first reason is the cause of those after it."""
        self.malformed = self.malformed or what

    def has(self, at: int, size: int, header: str) -> bool:
        """Tell whether a header of that size fits before the end, and note it where it does not."""
        if at + size <= self.end:
            return True
        self.bad(f"{header} header cut short: {max(0, self.end - at)} of {size} bytes")
        return False

    def limit(self, end: int, header: str) -> None:
        """Take a header's word for where its payload ends: padding after it goes, what lacks is noted."""
        whole = self.end + self.missing
        if end > whole:
            self.bad(f"{header} length exceeds the packet by {end - whole} bytes")
            return
        self.end, self.missing = min(end, self.end), max(0, end - self.end)

    def packet(self) -> Packet:
        payload = self.data[self.start : self.end]
        length = max(0, self.end - self.start) + self.missing
        return Packet(
            self.data, self.ethernet, self.arp, self.ip, self.transport, payload, length, self.malformed
        )


def _read_ethernet(draft: _Draft) -> None:
    data = draft.data
    if not draft.has(0, 14, "Ethernet"):
        return
    start, vlans = 14, []
    kind = int.from_bytes(data[12:14])
    while kind in _VLAN_TAGS:
        if not draft.has(start, 4, "802.1Q"):
            return
        vlans.append(int.from_bytes(data[start : start + 2]) & 0xFFF)
        kind = int.from_bytes(data[start + 2 : start + 4])
        start += 4
    draft.ethernet = Ethernet(0, start, data[:6].hex(":"), data[6:12].hex(":"), kind, tuple(vlans))
    draft.start = start
    if kind == IPV4:
        _read_ipv4(draft, start)
    elif kind == IPV6:
        _read_ipv6(draft, start)
    elif kind == ARP:
        _read_arp(draft, start)


def _read_arp(draft: _Draft, at: int) -> None:
    if not draft.has(at, 28, "ARP"):
        return
    fields = _ARP_HEADER.unpack_from(draft.data, at)
    hardware, protocol, hardware_size, protocol_size, operation = fields[:5]
    if (hardware, protocol, hardware_size, protocol_size) != (1, IPV4, 6, 4):
        draft.bad("ARP for something other than IPv4 over Ethernet")
        return
    sender_mac, sender, target_mac, target = fields[5:]
    draft.arp = Arp(
        at, 28, operation,
        sender_mac.hex(":"), ".".join(map(str, sender)),
        target_mac.hex(":"), ".".join(map(str, target)),
    )  # fmt: skip
    draft.start = at + 28


def _read_ipv4(draft: _Draft, at: int) -> None:
    if not draft.has(at, 20, "IPv4"):
        return
    (
        version_and_length, traffic_class, total, identification, fragment, ttl, protocol, checksum,
        s0, s1, s2, s3, d0, d1, d2, d3,
    ) = _IPV4_HEADER.unpack_from(draft.data, at)  # fmt: skip
    size = (version_and_length & 15) * 4
    if version_and_length >> 4 != 4:
        draft.bad(f"IP version {version_and_length >> 4} where IPv4 was announced")
        return
    if size < 20:
        draft.bad(f"IPv4 header length {size}, but a header has at least 20 bytes")
        return
    if not draft.has(at, size, "IPv4"):
        return
    draft.ip = IPv4(
        at, size, traffic_class, total, identification, fragment >> 13, (fragment & 0x1FFF) * 8,
        ttl, protocol, checksum,
        f"{s0}.{s1}.{s2}.{s3}", f"{d0}.{d1}.{d2}.{d3}", draft.data[at + 20 : at + size],
    )  # fmt: skip
    draft.start = at + size
    if total < size:
        draft.bad(f"IPv4 total length {total} is less than its header's {size}")
        return
    draft.limit(at + total, "IPv4")
    if not draft.ip.fragment_offset:
        _read_transport(draft, at + size, protocol, fragment=draft.ip.more_fragments)


def _read_ipv6(draft: _Draft, at: int) -> None:
    if not draft.has(at, 40, "IPv6"):
        return
    data = draft.data
    first, payload, following, hops = struct.unpack_from("!IHBB", data, at)
    if first >> 28 != 6:
        draft.bad(f"IP version {first >> 28} where IPv6 was announced")
        return
    draft.start = at + 40
    draft.limit(at + 40 + payload, "IPv6")
    extensions, start, complete = _extension_headers(draft, at + 40, following)
    protocol = extensions[-1][1] if extensions else following
    fragment = next((at for kind, _, at in extensions if kind == FRAGMENT), None)
    offset_and_more, identification = struct.unpack_from("!HI", data, fragment + 2) if fragment else (0, 0)
    draft.ip = IPv6(
        at, start - at, first >> 20 & 0xFF, first & 0xFFFFF, 40 + payload, hops, protocol,
        str(IPv6Address(data[at + 8 : at + 24])), str(IPv6Address(data[at + 24 : at + 40])),
        tuple(kind for kind, _, _ in extensions),
        identification, offset_and_more & 0xFFF8, bool(offset_and_more & 1),
    )  # fmt: skip
    draft.start = start
    if complete and not draft.ip.fragment_offset:
        _read_transport(draft, start, protocol, fragment=draft.ip.more_fragments)


def _extension_headers(draft: _Draft, at: int, kind: int) -> tuple[list[tuple[int, int, int]], int, bool]:
    """Return each extension header's kind, Next Header and offset; where they end; whether all were there."""
    found: list[tuple[int, int, int]] = []
    while kind in _EXTENSIONS:
        if not draft.has(at, 8, "IPv6 extension"):
            return found, at, False
        following, length = draft.data[at], draft.data[at + 1]
        # AH alone counts in words of 4 bytes (RFC 4302, section 2.2); a fragment header has no length.
        size = 8 if kind == FRAGMENT else length * 4 + 8 if kind == AUTHENTICATION else length * 8 + 8
        if not draft.has(at, size, "IPv6 extension"):
            return found, at, False
        found.append((kind, following, at))
        is_later_fragment = kind == FRAGMENT and int.from_bytes(draft.data[at + 2 : at + 4]) & 0xFFF8
        at, kind = at + size, following
        if is_later_fragment:  # what follows is the middle of something
            break
    return found, at, True


def _read_transport(draft: _Draft, at: int, protocol: int, *, fragment: bool) -> None:
    if protocol == TCP:
        _read_tcp(draft, at)
    elif protocol == UDP:
        _read_udp(draft, at, fragment=fragment)
    elif protocol in (ICMP, ICMPV6):
        _read_icmp(draft, at, 4 if protocol == ICMP else 6)


def _read_tcp(draft: _Draft, at: int) -> None:
    if not draft.has(at, 20, "TCP"):
        return
    fields = _TCP_HEADER.unpack_from(draft.data, at)
    source, destination, sequence, acknowledgment, offset_and_flags, window, checksum, urgent = fields
    size = (offset_and_flags >> 12) * 4
    if size < 20:
        draft.bad(f"TCP data offset {size // 4}, but a header has at least 5 words")
        return
    if not draft.has(at, size, "TCP"):
        return
    options = _tcp_options(draft, at + 20, at + size) if size > 20 else ()
    draft.transport = Tcp(
        at, size, source, destination, sequence, acknowledgment, offset_and_flags & 0x1FF,
        window, checksum, urgent, options,
    )  # fmt: skip
    draft.start = at + size


def _tcp_options(draft: _Draft, at: int, end: int) -> tuple[TcpOption, ...]:
    """Return the options (RFC 9293, section 3.1) up to the end mark or the first that is wrong."""
    data, options = draft.data, []
    while at < end:
        kind = data[at]
        if kind == END_OF_OPTIONS:
            break
        if kind == NO_OPERATION:
            options.append(TcpOption(kind, b""))
            at += 1
            continue
        size = data[at + 1] if at + 1 < end else 0
        if size < 2 or at + size > end or size != _OPTION_LENGTHS.get(kind, size):
            draft.bad(f"TCP option {kind} of {size} bytes")
            break
        options.append(TcpOption(kind, data[at + 2 : at + size]))
        at += size
    return tuple(options)


def _read_udp(draft: _Draft, at: int, *, fragment: bool) -> None:
    if not draft.has(at, 8, "UDP"):
        return
    source, destination, length, checksum = _UDP_HEADER.unpack_from(draft.data, at)
    draft.transport = Udp(at, 8, source, destination, length, checksum)
    draft.start = at + 8
    if length < 8:
        draft.bad(f"UDP length {length}, but the header alone has 8 bytes")
    elif not fragment:
        draft.limit(at + length, "UDP")


def _read_icmp(draft: _Draft, at: int, version: int) -> None:
    if not draft.has(at, 8, "ICMP" if version == 4 else "ICMPv6"):
        return
    kind, code, checksum, rest = struct.unpack_from("!BBHI", draft.data, at)
    draft.transport = Icmp(at, 8, version, kind, code, checksum, rest)
    draft.start = at + 8
