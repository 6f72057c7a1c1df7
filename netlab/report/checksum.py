"""The Internet checksum (RFC 1071), computed and verified."""

from __future__ import annotations

import struct

from netlab.report.dissect import ICMPV6, ROUTING, TCP, UDP
from netlab.report.headers import Icmp, IPv4, IPv6, Packet, Tcp, Udp

_FIELD_AT = {Tcp: 16, Udp: 6, Icmp: 2}  # bytes into the header


def checksum(data: bytes) -> int:
    """Return the ones' complement of the ones' complement sum of `data`'s 16-bit words (RFC 1071)."""
    # The ones' complement sum is the residue modulo 65535, and the bytes are one large number whose
    # 16-bit digits have the weight 1 there: so one division does it. Only all zeros sum up to zero.
    number = int.from_bytes(data) << (len(data) % 2 * 8)
    return 0xFFFF - (number % 0xFFFF or (0xFFFF if number else 0))


def ip_checksum_ok(packet: Packet) -> bool | None:
    """Tell whether an IPv4 header's checksum is right; None: the packet has no such header."""
    if not isinstance(packet.ip, IPv4):
        return None
    start = packet.ip.offset
    return checksum(packet.data[start : start + packet.ip.header_length]) == 0


def transport_checksum_ok(packet: Packet) -> bool | None:
    """Tell whether the checksum of TCP, UDP, ICMP or ICMPv6 is right.

    None: there is none (UDP over IPv4 may send zero, RFC 768), or it cannot be verified, as of a fragment or
    of a packet that was not captured whole.
    """
    covered = _covered(packet)
    if covered is None:
        return None
    if isinstance(packet.transport, Udp) and packet.transport.checksum == 0:
        return None if isinstance(packet.ip, IPv4) else False  # RFC 8200, section 8.1
    return checksum(covered) == 0


def transport_checksum(packet: Packet) -> int | None:
    """Return the checksum that TCP, UDP, ICMP or ICMPv6 should have; None where that cannot be told."""
    covered, transport = _covered(packet), packet.transport
    if covered is None or transport is None:
        return None
    at = len(covered) - transport.header_length - packet.payload_length + _FIELD_AT[type(transport)]
    computed = checksum(covered[:at] + bytes(2) + covered[at + 2 :])
    # RFC 768: zero would say that there is none.
    return 0xFFFF if isinstance(transport, Udp) and computed == 0 else computed


def _covered(packet: Packet) -> bytes | None:
    """Return what the transport's checksum is computed over; None where not all of that is here."""
    ip, transport = packet.ip, packet.transport
    if ip is None or transport is None or packet.is_fragment or ROUTING in _extensions(ip):
        return None
    length = transport.header_length + packet.payload_length
    segment = packet.data[transport.offset : transport.offset + length]
    if len(segment) < length:
        return None
    if isinstance(transport, Icmp) and transport.version == 4:
        return segment
    return _pseudo_header(packet.data, ip, transport, length) + segment


def _extensions(ip: IPv4 | IPv6) -> tuple[int, ...]:
    return ip.extensions if isinstance(ip, IPv6) else ()


def _pseudo_header(data: bytes, ip: IPv4 | IPv6, transport: Tcp | Udp | Icmp, length: int) -> bytes:
    protocol = TCP if isinstance(transport, Tcp) else UDP if isinstance(transport, Udp) else ICMPV6
    if isinstance(ip, IPv4):
        return data[ip.offset + 12 : ip.offset + 20] + struct.pack("!HH", protocol, length)
    return data[ip.offset + 8 : ip.offset + 40] + struct.pack("!II", length, protocol)
