"""What a wire did to packets, told apart from them: notes in a capture, and the packets that they are of.

A packet is recorded where it enters the lab, before any wire has decided on it; the wire's word comes later,
and from another place. `Note` is that word, `settled` brings both together.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import NamedTuple

from netlab.report.frame import Frame

WIRE = "wire: "  # how a comment begins that says what a wire did to a packet
BLOCK = 0x80004E4C  # of those that pcapng leaves to everybody's own use
# What a sender's wire held may come so much sooner than it said: where nothing fits that came before.
_SLACK_NS = 1_000_000
_DIGEST = 12

_HEAD = struct.Struct("<IIBBHIQII")
_COPY = struct.Struct("<QI")
_BLOCK = struct.Struct(f"<4IBBH{_DIGEST}s")
_BLOCK_COPY = struct.Struct(f"<II{_DIGEST}s")
_NOTE, _END = 1, 2


@dataclass(frozen=True, slots=True)
class Note:
    """What a wire says of a frame that came to it; `interface` is the ifindex of its node's port.

    `sent`: by the node, and so recorded at that very port; else it was on its way to the node, and may have
    been recorded anywhere. `copies` are when and as what it went on, where that is not at once and as it
    was.
    """

    interface: int
    time_ns: int
    sent: bool
    frame: bytes
    remark: str
    copies: tuple[tuple[int, bytes], ...] = ()


# -- on the way to the recorder --------------------------------------------------------------------------


def packed(note: Note) -> bytes:
    """Return a note as it goes to the recorder; `unpacked` takes it out again."""
    remark = note.remark.encode()
    parts = [note.frame, remark]
    for time_ns, frame in note.copies:
        own = b"" if frame == note.frame else frame
        parts += [_COPY.pack(time_ns, len(own)), own]
    body = b"".join(parts)
    head = _HEAD.pack(
        _HEAD.size + len(body),
        note.interface,
        _NOTE,
        note.sent,
        len(note.copies),
        0,
        note.time_ns,
        len(note.frame),
        len(remark),
    )
    return head + body


@dataclass(frozen=True, slots=True)
class End:
    """Who tells has told all until now, but for `lost` frames or notes; `gone`: and tells no more."""

    lost: int
    gone: bool = False


def end(lost: int, *, gone: bool = False) -> bytes:
    """Return what stands for an `End`."""
    return _HEAD.pack(_HEAD.size, lost, _END, gone, 0, 0, 0, 0, 0)


def unpacked(message: bytes) -> Iterator[Note | End]:
    """Take out what was packed, one behind the other."""
    at = 0
    while at < len(message):
        total, interface, kind, sent, copies, _, time_ns, length, remark = _HEAD.unpack_from(message, at)
        if kind == _END:
            yield End(interface, bool(sent))
        else:
            first = at + _HEAD.size
            frame = message[first : first + length]
            text = message[first + length : first + length + remark].decode()
            went = tuple(_copies(message, first + length + remark, copies, frame))
            yield Note(interface, time_ns, bool(sent), frame, text, went)
        at += total


def _copies(stream: bytes, at: int, count: int, frame: bytes) -> Iterator[tuple[int, bytes]]:
    for _ in range(count):
        time_ns, length = _COPY.unpack_from(stream, at)
        at += _COPY.size
        yield time_ns, stream[at : at + length] if length else frame
        at += length


# -- in a capture ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fate:
    """A note as a capture has it: `interface` is its name there, for frames there are digests."""

    interface: str
    time_ns: int
    sent: bool
    frame: bytes
    remark: str
    copies: tuple[tuple[int, bytes], ...] = ()


def digest(data: bytes) -> bytes:
    """Return what stands for a frame."""
    return blake2b(data, digest_size=_DIGEST).digest()


def encoded(note: Note, number: int, snap: int | None = None) -> bytes:
    """Return the body of a note's block; `number` is its interface's, `snap` how much frames have there."""
    time_ns, own = note.time_ns, digest(note.frame[:snap])
    remark = note.remark.encode()
    went = (
        _BLOCK_COPY.pack(when >> 32, when & 0xFFFFFFFF, own if copy is note.frame else digest(copy[:snap]))
        for when, copy in note.copies
    )
    head = _BLOCK.pack(
        number, time_ns >> 32, time_ns & 0xFFFFFFFF, len(remark), note.sent, len(note.copies), 0, own
    )
    body = b"".join([head, *went, remark])
    return body + bytes(-len(body) % 4)


def decoded(body: bytes, name_of: Callable[[int], str | None]) -> Fate | None:
    """Read the body of a block; None where it is none, or of an interface that there is not (no name)."""
    if len(body) < _BLOCK.size:
        return None
    number, high, low, length, sent, copies, _, frame = _BLOCK.unpack_from(body)
    at = _BLOCK.size + copies * _BLOCK_COPY.size
    name = name_of(number)
    if name is None or at + length > len(body):
        return None
    went = []
    for which in range(copies):
        first, second, copy = _BLOCK_COPY.unpack_from(body, _BLOCK.size + which * _BLOCK_COPY.size)
        went.append((first << 32 | second, copy))
    remark = body[at : at + length].decode(errors="replace")
    return Fate(name, high << 32 | low, bool(sent), frame, remark, tuple(went))


# -- which packet was it? --------------------------------------------------------------------------------


@dataclass(slots=True)
class _Packet:
    """A recorded packet, and what is said of it."""

    frame: Frame
    remarks: list[str] = field(default_factory=list)
    is_told: bool = False


class _Sight(NamedTuple):
    """A copy of a packet as it came out of its sender's wire, if there is one."""

    time_ns: int
    packet: _Packet


def settled(frames: Iterable[Frame], fates: Sequence[Fate]) -> tuple[Frame, ...]:
    """Return the frames with what wires did to each in its comment, a line for each time.

    A sender's wire is heard first: what it let through, and when, is what the others have met.
    """
    packets = [_Packet(frame) for frame in frames]
    if fates:
        recorded: dict[tuple[str, bytes], list[_Packet]] = {}
        for packet in packets:
            recorded.setdefault((packet.frame.interface, digest(packet.frame.data)), []).append(packet)
        ordered = sorted(fates, key=lambda fate: fate.time_ns)
        seen = _settle_sent(recorded, [fate for fate in ordered if fate.sent])
        _settle_received([fate for fate in ordered if not fate.sent], seen)
    return tuple(_commented(packet) for packet in packets)


def _settle_sent(
    recorded: dict[tuple[str, bytes], list[_Packet]], fates: Sequence[Fate]
) -> dict[bytes, list[_Sight]]:
    """Tell packets what their own node's wire did, and return when each was seen then, as what."""
    seen: dict[bytes, list[_Sight]] = {}
    for fate in fates:
        same = [one for one in recorded.get((fate.interface, fate.frame), ()) if not one.is_told]
        if same:
            packet = min(same, key=lambda one: abs(one.frame.time_ns - fate.time_ns))
            packet.is_told = True
            packet.remarks.append(fate.remark)
            for time_ns, copy in fate.copies:
                seen.setdefault(copy, []).append(_Sight(time_ns, packet))
    for (_, own), packets in recorded.items():
        for packet in packets:
            if not packet.is_told:
                seen.setdefault(own, []).append(_Sight(packet.frame.time_ns, packet))
    for sights in seen.values():
        sights.sort(key=_time)
    return seen


def _settle_received(fates: Sequence[Fate], seen: dict[bytes, list[_Sight]]) -> None:
    """Tell packets what the wire of a node did on the way to it.

    Of look-alikes it is the latest seen before: the last fate chooses first, and each before it among
    what came earlier, as nothing overtakes between a sender's wire and a receiver's.
    """
    alike: dict[tuple[str, bytes], list[Fate]] = {}
    for fate in fates:
        alike.setdefault((fate.interface, fate.frame), []).append(fate)
    met: list[tuple[int, str, _Packet]] = []
    for (interface, frame), told in alike.items():
        sights = [one for one in seen.get(frame, ()) if one.packet.frame.interface != interface]
        left = len(sights)
        for fate in reversed(told):
            at = bisect_right(sights, fate.time_ns, key=_time)
            if at == 0 and sights and sights[0].time_ns <= fate.time_ns + _SLACK_NS:
                at = 1
            left = min(left, at) - 1
            if left < 0:
                break
            met.append((fate.time_ns, fate.remark, sights[left].packet))
    for _, remark, packet in sorted(met, key=lambda one: one[0]):
        packet.remarks.append(remark)


def _time(sight: _Sight) -> int:
    return sight.time_ns


def _commented(packet: _Packet) -> Frame:
    if not packet.remarks:
        return packet.frame
    said = [f"{WIRE}{remark}" for remark in packet.remarks]
    return replace(packet.frame, comment="\n".join([*filter(None, [packet.frame.comment]), *said]))
