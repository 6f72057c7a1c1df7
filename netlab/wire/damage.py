"""How a wire damages a frame: a bit that falls over, an end that is missing."""

from __future__ import annotations

from netlab.wire.packet import ETHERNET, Packet

# Where a header without data is hit: a field that a checksum covers, and by which no one knows the packet.
_HIT = {"tcp": 15, "udp": 7, "icmp": 7, "icmpv6": 7}  # TCP's window, UDP's checksum, ICMP's sequence number


def flipped(frame: bytes, offset: int, bit: int = 0) -> bytes:
    """Return a frame with one bit of the byte at that offset the other way."""
    return frame[:offset] + bytes([frame[offset] ^ 1 << bit]) + frame[offset + 1 :]


def spot(packet: Packet) -> int:
    """Return the offset of the byte that a script corrupts: the first of the data, or one of the header.

    What has neither, as ARP, is hit in its last byte.
    """
    if packet.payload < packet.end:
        return packet.payload
    if packet.transport < packet.end and packet.protocol:
        return min(packet.transport + _HIT[packet.protocol], packet.end - 1)
    return packet.end - 1


def cut(frame: bytes, length: int) -> bytes:
    """Return a frame whose IP packet has no more than so many bytes left, whatever its header says."""
    return frame[: ETHERNET + length]
