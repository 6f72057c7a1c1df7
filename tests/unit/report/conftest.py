"""Packets built by hand, byte by byte, for the tests of everything that reads packets."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest

CLIENT_MAC, WEB_MAC = bytes.fromhex("020000000010"), bytes.fromhex("020000000080")


def ones_complement(data: bytes) -> int:
    """Sum word by word, as RFC 1071 writes it: deliberately not as the code under test does."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


Ends = tuple[str, str]
"""Source and destination address."""


class Wire:
    """Builds frames; lengths and checksums are right unless a test spoils them."""

    client, dns, web = "10.0.0.10", "10.0.0.53", "10.0.0.80"
    request, response = (client, web), (web, client)

    def ethernet(self, kind: int, payload: bytes, destination: bytes = WEB_MAC) -> bytes:
        """Return an Ethernet II frame from the client, padded to 60 bytes as a network card does."""
        return (destination + CLIENT_MAC + struct.pack("!H", kind) + payload).ljust(60, b"\0")

    def arp(self, operation: int, sender: str, target: str, destination: bytes = b"\xff" * 6) -> bytes:
        """Return an ARP frame."""
        body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
        body += CLIENT_MAC + ip_address(sender).packed + bytes(6) + ip_address(target).packed
        return self.ethernet(0x0806, body, destination)

    def ip(self, ends: Ends, protocol: int, payload: bytes, fragment: int = 0) -> bytes:
        """Return an IPv4 or IPv6 packet; `fragment` is IPv4's word of flags and offset."""
        packed = b"".join(ip_address(end).packed for end in ends)
        if ":" in ends[0]:
            return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + packed + payload
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, fragment, 64, protocol, 0) + packed
        return head[:10] + struct.pack("!H", ones_complement(head)) + head[12:] + payload

    def frame(self, ends: Ends, protocol: int, segment: bytes, checksum_at: int) -> bytes:
        """Return a frame with a transport segment whose checksum, at that offset, is filled in."""
        packed = b"".join(ip_address(end).packed for end in ends)
        pseudo = b"" if protocol == 1 else packed + struct.pack("!II", len(segment), protocol)
        value = struct.pack("!H", ones_complement(pseudo + segment))
        segment = segment[:checksum_at] + value + segment[checksum_at + 2 :]
        kind = 0x86DD if ":" in ends[0] else 0x0800
        return self.ethernet(kind, self.ip(ends, protocol, segment))

    def tcp(
        self, ends: Ends, ports: tuple[int, int], numbers: tuple[int, int], flags: int,
        data: bytes = b"", *, window: int = 64240, options: bytes = b"",
    ) -> bytes:  # fmt: skip
        """Return a frame with a TCP segment; `numbers` are sequence and acknowledgment, taken modulo 2³²."""
        seq, ack = (number % 2**32 for number in numbers)
        offset_and_flags = (5 + len(options) // 4) << 12 | flags
        head = struct.pack("!HHIIHHHH", *ports, seq, ack, offset_and_flags, window, 0, 0)
        return self.frame(ends, 6, head + options + data, 16)

    def udp(self, ends: Ends, ports: tuple[int, int], data: bytes) -> bytes:
        """Return a frame with a UDP datagram."""
        head = struct.pack("!HHHH", *ports, 8 + len(data), 0)
        return self.frame(ends, 17, head + data, 6)

    def icmp(self, ends: Ends, kind: int, code: int, rest: int, data: bytes = b"") -> bytes:
        """Return a frame with an ICMP message, or ICMPv6 where the addresses are."""
        head = struct.pack("!BBHI", kind, code, 0, rest)
        return self.frame(ends, 58 if ":" in ends[0] else 1, head + data, 2)


@pytest.fixture(scope="session")
def wire() -> Wire:
    """Return the builder of packets."""
    return Wire()
