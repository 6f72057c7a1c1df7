"""A node's cable: it decides what becomes of each packet on it, the script first, then chance.

Sans-io: frames and the time come in, fates go out. What carries the frames does as they say.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from netlab.topology.wires import Chance, Step, Wire
from netlab.wire import damage
from netlab.wire.chance import NO_LUCK, Dice, Luck
from netlab.wire.fate import Fate
from netlab.wire.line import Line
from netlab.wire.packet import ETHERNET, Packet, look
from netlab.wire.script import Script

DROPPED = "dropped by wire"
HELD = "held "
# How long a packet waits to be overtaken: longer than a round trip, shorter than the least retransmission
# timeout (1 s), so that a sender who has nothing more to send need not repeat it.
LONGEST_NS = 500_000_000

_NO_STEPS: list[Step] = []


class Cable:
    """The impairments of one cable, `sent` telling what its node sends from what comes to the node.

    `fate` is asked of every frame, in the order they come, with a clock that does not go back. A packet that
    is to be overtaken is kept here until so many others of its flow have passed, and returned among the
    deliveries of the last of them. If these do not come, `due` says when `flush` is to be called.
    """

    def __init__(self, wire: Wire) -> None:
        seed = wire.seed or 0
        self._script = Script(wire.script)
        self._ways = (_Way(seed, "received", wire.received), _Way(seed, "sent", wire.sent))
        self._clear = tuple(
            not (way.is_any or is_for) for way, is_for in zip(self._ways, self._script.is_for, strict=True)
        )
        self._held: list[_Held] = []

    def fate(self, sent: bool, frame: bytes, now_ns: int) -> Fate:
        """Decide on an Ethernet frame that comes now."""
        if self._clear[sent]:
            # Without a way to be held there is no one that waits for it.
            return Fate(((now_ns, frame),))
        way = self._ways[sent]
        is_scripted = self._script.is_for[sent]
        if not (is_scripted or way.dice.is_thrown):
            return _untouched(way, frame, now_ns)
        packet = look(frame)
        luck = way.dice.throw(packet, len(frame)) if way.dice.is_thrown else NO_LUCK
        steps = self._script.steps(packet, sent=sent) if is_scripted else _NO_STEPS
        if not steps and luck == NO_LUCK and not self._held:  # as most are, and it costs a third less
            return _untouched(way, frame, now_ns)
        treatment = _scripted(steps, frame, packet) if steps else _by_chance(luck, frame)
        return self._carried(way, treatment, packet, luck.jitter, now_ns)

    def due(self) -> int | None:
        """Return when `flush` has something to return, on the clock of `fate`; None where nothing waits."""
        return min((held.until_ns for held in self._held), default=None)

    def flush(self, now_ns: int | None = None) -> list[tuple[bool, bytes]]:
        """Return the packets that are to wait no longer, as (sent, frame): they go at once.

        Without a time they are all that wait, as when the wire is taken away.
        """
        gone = [held for held in self._held if now_ns is None or held.until_ns <= now_ns]
        self._held = [held for held in self._held if held not in gone]
        return [(held.way is self._ways[True], frame) for held in gone for frame in held.copies]

    def _carried(self, way: _Way, treatment: _Treatment, packet: Packet, jitter: int, now_ns: int) -> Fate:
        """Return what becomes of a packet that is treated so, and of those that waited for it."""
        if treatment.is_dropped:
            return _DROPPED
        time_ns = way.line.arrival(len(treatment.frame), now_ns, jitter)
        if time_ns is None:
            return _FULL
        time_ns += treatment.hold
        remark = _remark(treatment, way.line.delay + jitter + treatment.hold)
        copies = (treatment.frame,) * (1 + treatment.is_twice)
        if treatment.overtaken_by:
            until = time_ns + LONGEST_NS
            self._held.append(_Held(way, packet.flow, copies, time_ns, until, treatment.overtaken_by))
            return Fate((), remark)
        deliveries = tuple((time_ns, frame) for frame in copies)
        if self._held:
            deliveries += tuple(self._released(way, packet.flow, time_ns))
        return Fate(deliveries, remark)

    def _released(self, way: _Way, flow: bytes, time_ns: int) -> list[tuple[int, bytes]]:
        """Count a packet that passes those held back of its flow, and return those it is the last to pass."""
        released: list[tuple[int, bytes]] = []
        for held in [one for one in self._held if one.way is way and one.flow == flow]:
            held.left -= 1
            if held.left == 0:
                self._held.remove(held)
                released += [(max(time_ns, held.time_ns), frame) for frame in held.copies]
        return released


class _Way:
    """One direction of a cable."""

    def __init__(self, seed: int, name: str, chance: Chance) -> None:
        self.dice = Dice(seed, name, chance)
        self.line = Line(chance.rate, round(chance.delay * 1e9))
        self.is_any = self.dice.is_thrown or self.line.delay > 0 or chance.rate is not None
        self.remark = _held(self.line.delay) if self.line.delay else ""


def _untouched(way: _Way, frame: bytes, now_ns: int) -> Fate:
    """Return the fate of a frame that nothing befalls but the line's own delay and rate."""
    time_ns = way.line.arrival(len(frame), now_ns, 0)
    return _FULL if time_ns is None else Fate(((time_ns, frame),), way.remark)


@dataclass(slots=True, eq=False)
class _Held:
    """A packet that `left` others of its flow are to overtake; it would have arrived at `time_ns`."""

    way: _Way
    flow: bytes
    copies: tuple[bytes, ...]
    time_ns: int
    until_ns: int
    left: int


@dataclass(slots=True)
class _Treatment:
    """What a wire does to a packet besides carrying it; `remarks` say so, apart from how long it is held."""

    frame: bytes
    remarks: list[str] = field(default_factory=list)
    is_dropped: bool = False
    is_twice: bool = False
    overtaken_by: int = 0
    hold: int = 0  # ns


def _scripted(steps: list[Step], frame: bytes, packet: Packet) -> _Treatment:
    """Return what the steps ask for; all of them apply, in their order."""
    done = _Treatment(frame)
    for step in steps:
        match step.action:
            case "drop":
                done.is_dropped = True
            case "delay":
                done.hold += round((step.by or 0) * 1e9)
            case "duplicate":
                done.is_twice = True
            case "reorder":
                done.overtaken_by = max(done.overtaken_by, int(step.by or 1))
            case "corrupt":
                offset = damage.spot(packet)
                if ETHERNET <= offset < len(done.frame):
                    done.frame = damage.flipped(done.frame, offset)
                    done.remarks.append(_corrupted(offset))
            case "truncate":
                shorter = damage.cut(done.frame, step.to or 0)
                if len(shorter) < len(done.frame):
                    done.frame = shorter
                    done.remarks.append(f"cut to {step.to} bytes by wire")
    return done


def _by_chance(luck: Luck, frame: bytes) -> _Treatment:
    done = _Treatment(frame, is_dropped=luck.lost, is_twice=luck.twice, overtaken_by=int(luck.late))
    if luck.flip is not None:
        offset = ETHERNET + luck.flip // 8
        done.frame = damage.flipped(frame, offset, luck.flip % 8)
        done.remarks.append(_corrupted(offset))
    return done


def _remark(treatment: _Treatment, hold: int) -> str:
    """Say what was done to a packet that is held for so many ns, not counting what it waits in a queue."""
    remarks = treatment.remarks
    if treatment.is_twice:
        remarks.append("duplicated by wire")
    if treatment.overtaken_by:
        by = f" (by {treatment.overtaken_by} packets)" if treatment.overtaken_by > 1 else ""
        remarks.append(f"reordered by wire{by}")
    if hold:
        remarks.append(_held(hold))
    return ", ".join(remarks)


def _held(time_ns: int) -> str:
    if time_ns < 1_000_000:
        return f"{HELD}{round(time_ns / 1e3)} us by wire"
    return f"{HELD}{round(time_ns / 1e6, 1):.10g} ms by wire"


def _corrupted(offset: int) -> str:
    """Say which byte was hit, counted from the frame's first, 0, as Wireshark does."""
    return f"corrupted by wire (byte {offset})"


_DROPPED = Fate((), DROPPED)
_FULL = Fate((), f"{DROPPED} (queue full)")
