"""TCP connections as a bystander sees them: relative numbers, and what a segment is to those before it.

Sequence numbers count from the SYN of their direction, so that no ISN shows in them. They are unwrapped: past
4 GiB they go on growing. What a segment repeats or leaves out is judged by its own direction alone, because
the order in which a recorder sees the two directions is chance; only a duplicate ACK needs the other one.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field

from netlab.report.headers import ACK, FIN, RST, SACK, SYN, IPv4, IPv6, Tcp

_UNDER_WAY = 4096  # segments that may be on their way through routers at a time


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment in its connection: relative numbers, SACK's (start, end) pairs, and remarks in words.

    `ack` is None where the flag is not set.
    """

    seq: int
    ack: int | None
    sacks: tuple[tuple[int, int], ...]
    remarks: tuple[str, ...]


@dataclass(slots=True)
class _Stream:
    """One direction; all numbers but `base` are relative to it.

    `ranges` are what was sent, sorted, disjoint and not adjacent; the last of them ends at `next`.
    """

    base: int | None = None
    next: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)
    acknowledged: int | None = None
    window: int = 0
    duplicates: int = 0
    ended: bool = False

    def relative(self, number: int) -> int:
        """Return the relative number nearest to what was last sent (RFC 9293, section 3.4: modulo 2³²)."""
        assert self.base is not None
        return self.next + (number - self.base - self.next + 0x80000000) % 0x100000000 - 0x80000000

    def add(self, start: int, end: int) -> str:
        """Note that a range was sent; return what that is to the ranges before."""
        if start == self.next and self.ranges:
            self.ranges[-1] = (self.ranges[-1][0], end)
        elif start >= self.next:
            self.ranges.append((start, end))
        else:
            return self._add_before_next(start, end)
        gap, self.next = start - self.next, end
        return f"{gap} bytes missing before" if gap else ""

    def _add_before_next(self, start: int, end: int) -> str:
        """Do what `add` does for a range that starts before the last one ends."""
        # Every range that overlaps or touches becomes one with the new one.
        first = bisect_right(self.ranges, start, key=lambda sent: sent[0]) - 1
        first = max(first, 0)
        if self.ranges[first][1] < start:
            first += 1
        last = first
        while last < len(self.ranges) and self.ranges[last][0] <= end:
            last += 1
        touched = self.ranges[first:last]
        covered = any(low <= start and end <= high for low, high in touched)
        overlaps = any(low < end and start < high for low, high in touched)
        merged = (min([start, *(low for low, _ in touched)]), max([end, *(high for _, high in touched)]))
        self.ranges[first:last] = [merged]
        self.next = max(self.next, end)
        return "retransmission" if covered else "partial retransmission" if overlaps else "out of order"


class Connections:
    """Every connection of a capture, by its two endpoints."""

    def __init__(self) -> None:
        self._streams: dict[tuple[str, int, str, int], _Stream] = {}
        self._recent: OrderedDict[tuple[object, ...], tuple[int, Segment]] = OrderedDict()

    def observe(self, ip: IPv4 | IPv6, tcp: Tcp, length: int) -> Segment:
        """Take the next segment, with `length` bytes of data, and tell what it is.

        What routers have passed on is what it was before: the same header, less of a TTL.
        """
        drawn = ip.identification if isinstance(ip, IPv4) else ip.flow_label
        ends = ip.source, tcp.source_port, ip.destination, tcp.destination_port
        same = *ends, drawn, tcp.sequence, tcp.acknowledgment, tcp.flags, tcp.window, tcp.checksum, length
        ttl, segment = self._recent.get(same, (0, None))
        if segment is not None and ip.ttl < ttl:
            return segment
        segment = self._new(ip, tcp, length)
        self._recent[same] = ip.ttl, segment
        if len(self._recent) > _UNDER_WAY:
            self._recent.popitem(last=False)
        return segment

    def _new(self, ip: IPv4 | IPv6, tcp: Tcp, length: int) -> Segment:
        sender, receiver = self._pair(ip, tcp)
        remarks = [] if self._bases_known(sender, receiver, tcp) else ["no SYN seen"]
        seq = sender.relative(tcp.sequence)
        ack = receiver.relative(tcp.acknowledgment) if tcp.flags & ACK else None
        end = seq + length + bool(tcp.flags & SYN) + bool(tcp.flags & FIN)
        if tcp.flags & RST:
            sender.ended = receiver.ended = True
        elif end > seq:
            remarks.append(sender.add(seq, end))
            sender.ended |= bool(tcp.flags & FIN)
        elif ack is not None and _is_duplicate(sender, receiver, ack, tcp.window):
            sender.duplicates += 1
            remarks.append(f"duplicate ACK {sender.duplicates}")
        if ack is not None:
            sender.duplicates = sender.duplicates if ack == sender.acknowledged else 0
            sender.acknowledged, sender.window = ack, tcp.window
        if tcp.window == 0 and not tcp.flags & (SYN | RST):
            remarks.append("zero window")
        sacks = _sacks(receiver, tcp) if ack is not None else ()
        return Segment(seq, ack, sacks, tuple(filter(None, remarks)))

    def _pair(self, ip: IPv4 | IPv6, tcp: Tcp) -> tuple[_Stream, _Stream]:
        """Return sender's and receiver's stream; a SYN that begins a connection anew finds them empty."""
        here = (ip.source, tcp.source_port, ip.destination, tcp.destination_port)
        there = (ip.destination, tcp.destination_port, ip.source, tcp.source_port)
        sender = self._streams.setdefault(here, _Stream())
        receiver = self._streams.setdefault(there, _Stream())
        if tcp.flags & SYN and sender.base is not None:
            opens = not tcp.flags & ACK
            if sender.base != tcp.sequence or (opens and (sender.ended or receiver.ended)):
                sender = self._streams[here] = _Stream()
                if opens:
                    receiver = self._streams[there] = _Stream()
        return sender, receiver

    @staticmethod
    def _bases_known(sender: _Stream, receiver: _Stream, tcp: Tcp) -> bool:
        """Set the bases that are not yet known; False where one had to be taken from mid-stream.

        A closed port's RST (RFC 9293, section 3.5.2) has no SYN before it and is not marked for that.
        """
        known = True
        if sender.base is None:
            sender.base = tcp.sequence
            known = bool(tcp.flags & (SYN | RST))
        if receiver.base is None and tcp.flags & ACK:
            receiver.base = tcp.acknowledgment
            known = known and bool(tcp.flags & RST)
        return known


def _is_duplicate(sender: _Stream, receiver: _Stream, ack: int, window: int) -> bool:
    """RFC 5681, section 2: nothing new is acknowledged or offered although something is outstanding."""
    return ack == sender.acknowledged and window == sender.window and receiver.next > ack


def _sacks(receiver: _Stream, tcp: Tcp) -> tuple[tuple[int, int], ...]:
    return tuple(
        (receiver.relative(left), receiver.relative(right))
        for option in tcp.options
        if option.kind == SACK and len(option.value) % 8 == 0
        for left, right in struct.iter_unpack("!II", option.value)
    )
