"""IP's part: a header before a segment, and from a datagram to what it carries (RFC 791, RFC 8200).

Datagrams are sent whole (DF), and fragments that come in are not put together: none of ours is ever cut.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from netlab.report.checksum import checksum
from netlab.tcp.segment import DamagedError

_V4 = struct.Struct("!BBHHHBBH4s4s")
_V6 = struct.Struct("!IHBB16s16s")
_DONT_FRAGMENT, _FRAGMENT_MASK = 0x4000, 0x3FFF
_HOPS = 64
_EXTENSIONS_V6 = frozenset({0, 43, 60})  # hop-by-hop, routing, destination options: passed over


@dataclass(frozen=True, slots=True)
class Datagram:
    """What a datagram carries, from where to where; addresses are packed, 4 or 16 bytes."""

    source: bytes
    destination: bytes
    protocol: int
    payload: bytes


def encode(datagram: Datagram) -> bytes:
    """Return the bytes from the IP header on; identification is 0, as DF makes it void (RFC 6864)."""
    one, size = datagram, len(datagram.payload)
    if len(one.source) == 16:
        return _V6.pack(6 << 28, size, one.protocol, _HOPS, one.source, one.destination) + one.payload
    fields = (0x45, 0, 20 + size, 0, _DONT_FRAGMENT, _HOPS, one.protocol)
    header = _V4.pack(*fields, 0, one.source, one.destination)
    return _V4.pack(*fields, checksum(header), one.source, one.destination) + one.payload


def decode(data: bytes) -> Datagram:
    """Read a datagram; DamagedError where it is none, is damaged, or is a fragment."""
    if data[:1] and data[0] >> 4 == 6:
        return _decode_v6(data, len(data))
    if len(data) >= 20 and data[0] >> 4 == 4:
        size = (data[0] & 15) * 4
        if checksum(data[:size]) != 0:
            raise DamagedError("the IPv4 header's checksum is wrong")
        return _decode_v4(data, len(data))
    raise DamagedError("neither IPv4 nor IPv6")


def decode_start(data: bytes) -> Datagram:
    """Read the beginning of a datagram, as an ICMP error quotes it: it may end anywhere after its header."""
    if data[:1] and data[0] >> 4 == 6:
        return _decode_v6(data, 0xFFFF + 40)
    return _decode_v4(data, 0xFFFF)


def _decode_v4(data: bytes, most: int) -> Datagram:
    if len(data) < 20:
        raise DamagedError("an IPv4 header cut short")
    first, _, total, _, fragment, _, protocol, _, source, destination = _V4.unpack_from(data)
    size = (first & 15) * 4
    if not 20 <= size <= total <= most:
        raise DamagedError("lengths that cannot be")
    if fragment & _FRAGMENT_MASK:
        raise DamagedError("a fragment")
    return Datagram(source, destination, protocol, data[size:total])


def _decode_v6(data: bytes, most: int) -> Datagram:
    if len(data) < 40:
        raise DamagedError("an IPv6 header cut short")
    _, length, protocol, _, source, destination = _V6.unpack_from(data)
    if 40 + length > most:
        raise DamagedError("lengths that cannot be")
    at, end = 40, 40 + length
    while protocol in _EXTENSIONS_V6 and at + 8 <= len(data):
        protocol, at = data[at], at + 8 + data[at + 1] * 8
    if protocol in _EXTENSIONS_V6 or at > end:
        raise DamagedError("an IPv6 extension header cut short")
    return Datagram(source, destination, protocol, data[at:end])
