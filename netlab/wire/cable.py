"""A node's cable: it decides what becomes of each packet on it, the script first, then chance.

Sans-io: frames and the time come in, fates go out. What carries the frames does as they say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush

from netlab.topology.wires import Chance, Step, Wire
from netlab.wire import damage
from netlab.wire.chance import NO_LUCK, Dice, Luck
from netlab.wire.fate import Fate, Released
from netlab.wire.line import Line
from netlab.wire.packet import ETHERNET, Packet, look
from netlab.wire.script import Script

DROPPED = "dropped by wire"
HELD = "held "
# How long a packet waits to be overtaken: longer than a round trip, shorter than the least retransmission
# timeout (1 s), so that a sender who has nothing more to send need not repeat it.
LONGEST_NS = 500_000_000
ROOM = 32 << 20  # bytes that may be under way in one direction

_NO_STEPS: list[Step] = []


class Cable:
    """The impairments of one cable, `sent` telling what its node sends from what comes to the node.

    `fate` is asked of every frame, in the order they come, with a clock that does not go back. A packet that
    is to be overtaken is kept here until so many others of its flow have passed, and returned among the
    deliveries of the last of them. If these do not come, `due` says when `flush` is to be called.
    With the node's `mac`, a script passes over what comes to it but is for another (a bridge floods).
    """

    def __init__(self, wire: Wire, mac: bytes = b"") -> None:
        self._wire = wire
        self._mac = mac
        seed = wire.seed or 0
        self._script = Script(wire.script)
        self._ways = (_Way(seed, "received", wire.received), _Way(seed, "sent", wire.sent))
        self._clear = tuple(
            not (way.is_any or is_for) for way, is_for in zip(self._ways, self._script.is_for, strict=True)
        )
        self._count = 0  # of those that were ever held back
        self._queues: dict[tuple[bool, bytes], _Queue] = {}  # by direction and flow
        self._dues: list[tuple[int, int, _Held]] = []  # may hold some that are gone already

    def go_on(self, before: Cable) -> tuple[bool, bool]:
        """Take over what is as it was in another cable, which is used no more: the script, and each way.

        Returns of what comes to the node, and of what it sends, whether it fares as it did there.
        """
        old, new = before._wire, self._wire
        if same_script := old.script == new.script:
            self._script = before._script
        chances = ((old.received, new.received), (old.sent, new.sent))
        same = [old.seed == new.seed and one == other for one, other in chances]
        self._ways = tuple(  # type: ignore[assignment]
            was if is_same else way for was, way, is_same in zip(before._ways, self._ways, same, strict=True)
        )
        return same_script and same[False], same_script and same[True]

    def fate(self, sent: bool, frame: bytes, now_ns: int) -> Fate:
        """Decide on an Ethernet frame that comes now."""
        if self._clear[sent]:
            # Without a way to be held there is no one that waits for it.
            return Fate(((now_ns, frame),))
        way = self._ways[sent]
        if way.is_full(now_ns):
            return _FULL
        is_scripted = self._script.is_for[sent] and (sent or self._is_ours(frame))
        if not (is_scripted or way.dice.is_thrown):
            return _untouched(way, frame, now_ns)
        packet = look(frame)
        luck = way.dice.throw(packet, len(frame)) if way.dice.is_thrown else NO_LUCK
        steps = self._script.steps(packet, sent=sent) if is_scripted else _NO_STEPS
        if not steps and luck == NO_LUCK and not self._queues:  # as most are, and it costs a third less
            return _untouched(way, frame, now_ns)
        treatment = _scripted(steps, frame, packet) if steps else _by_chance(luck, frame)
        return self._carried((sent, packet.flow), treatment, frame, luck.jitter, now_ns)

    def _is_ours(self, frame: bytes) -> bool:
        """Say whether a frame is for the node, perhaps among others."""
        return not self._mac or frame[:6] == self._mac or bool(frame[:1] and frame[0] & 1)

    def due(self) -> int | None:
        """Return when `flush` has something to return, on the clock of `fate`; None where nothing waits."""
        while self._dues and self._dues[0][2].is_gone:
            heappop(self._dues)
        return self._dues[0][0] if self._dues else None

    def flush(self, now_ns: int, *, whole: bool = False) -> list[Released]:
        """Return the packets that are to wait no longer: they go at once.

        `whole`: all that wait, as when the wire is taken away.
        """
        released = []
        while (due := self.due()) is not None and (whole or due <= now_ns):
            held = heappop(self._dues)[2]
            queue = self._queues[held.key]
            passed = held.by - max(0, held.target - queue.passed)
            deliveries = tuple((now_ns, frame) for frame in held.copies)
            remark = _remark(held.treatment, min(due, now_ns) - held.came_ns, passed)
            released.append(Released(held.number, held.key[0], held.frame, deliveries, remark))
            self._let_go(held)
        return released

    def held(self) -> list[tuple[int, bool, bytes]]:
        """Return what is held back now: its number, whether it was sent, and as it came."""
        waiting = sorted((one for _, _, one in self._dues if not one.is_gone), key=lambda one: one.number)
        return [(one.number, one.key[0], one.frame) for one in waiting]

    def _carried(
        self, key: tuple[bool, bytes], treatment: _Treatment, frame: bytes, jitter: int, now_ns: int
    ) -> Fate:
        """Return what becomes of a packet that is treated so, and of those that waited for it."""
        if treatment.is_dropped:
            return _DROPPED
        way = self._ways[key[0]]
        time_ns = way.line.arrival(len(treatment.frame), now_ns, jitter)
        if time_ns is None:
            return _FULL
        hold = time_ns - way.line.off + treatment.hold
        time_ns += treatment.hold
        copies = (treatment.frame,) * (1 + treatment.is_twice)
        if treatment.overtaken_by:
            self._count += 1
            queue = self._queues.setdefault(key, _Queue())
            target = queue.passed + treatment.overtaken_by
            held = _Held(self._count, key, frame, copies, treatment, (now_ns, time_ns), hold, target)
            heappush(queue.held, (target, held.number, held))
            queue.waiting += 1
            heappush(self._dues, (time_ns + LONGEST_NS, held.number, held))
            way.takes(copies, time_ns + LONGEST_NS)
            return Fate((), held=held.number)
        if time_ns > now_ns:
            way.takes(copies, time_ns)
        released = tuple(self._released(key, time_ns)) if self._queues else ()
        deliveries = tuple((time_ns, frame) for frame in copies)
        for one in released:
            deliveries += one.deliveries
        return Fate(deliveries, _remark(treatment, hold), released=released)

    def _released(self, key: tuple[bool, bytes], time_ns: int) -> list[Released]:
        """Count a packet that passes those held back of its flow, and return those it is the last to pass."""
        released: list[Released] = []
        queue = self._queues.get(key)
        if queue is None:
            return released
        queue.passed += 1
        while queue.held and (queue.held[0][2].is_gone or queue.held[0][0] <= queue.passed):
            held = heappop(queue.held)[2]
            if not held.is_gone:
                deliveries = tuple((max(time_ns, held.time_ns), frame) for frame in held.copies)
                remark = _remark(held.treatment, held.hold, held.by)
                released.append(Released(held.number, key[0], held.frame, deliveries, remark))
                self._let_go(held)
        return released

    def _let_go(self, held: _Held) -> None:
        held.is_gone = True
        queue = self._queues[held.key]
        queue.waiting -= 1
        if not queue.waiting:
            del self._queues[held.key]


class _Way:
    """One direction of a cable."""

    def __init__(self, seed: int, name: str, chance: Chance) -> None:
        self.dice = Dice(seed, name, chance)
        self.line = Line(chance.rate, round(chance.delay * 1e9))
        self.is_any = self.dice.is_thrown or self.line.delay > 0 or chance.rate is not None
        self.remark = _held(self.line.delay) if self.line.delay else ""
        self._under_way: list[tuple[int, int]] = []  # when each leaves, at the latest, and its bytes
        self._bytes = 0

    def takes(self, copies: tuple[bytes, ...], until_ns: int) -> None:
        """Note what is under way for so long."""
        size = sum(map(len, copies))
        heappush(self._under_way, (until_ns, size))
        self._bytes += size

    def is_full(self, now_ns: int) -> bool:
        """Say whether no more can be under way now."""
        under_way = self._under_way
        while under_way and under_way[0][0] <= now_ns:
            self._bytes -= heappop(under_way)[1]
        return self._bytes >= ROOM


def _untouched(way: _Way, frame: bytes, now_ns: int) -> Fate:
    """Return the fate of a frame that nothing befalls but the line's own delay and rate."""
    time_ns = way.line.arrival(len(frame), now_ns, 0)
    if time_ns is None:
        return _FULL
    if time_ns > now_ns:
        way.takes((frame,), time_ns)
    hold = time_ns - way.line.off  # longer than the delay behind one whose jitter was more
    return Fate(((time_ns, frame),), way.remark if hold == way.line.delay else _held(hold))


@dataclass(slots=True)
class _Queue:
    """Those of a flow that are held back, in the order of how many must have `passed` before each goes."""

    held: list[tuple[int, int, _Held]] = field(default_factory=list)
    passed: int = 0
    waiting: int = 0


@dataclass(slots=True, eq=False)
class _Held:
    """A packet that goes when `target` others have passed; `times` are when it came and would arrive."""

    number: int
    key: tuple[bool, bytes]
    frame: bytes
    copies: tuple[bytes, ...]
    treatment: _Treatment
    times: tuple[int, int]
    hold: int
    target: int
    is_gone: bool = False

    @property
    def by(self) -> int:
        return self.treatment.overtaken_by

    @property
    def came_ns(self) -> int:
        return self.times[0]

    @property
    def time_ns(self) -> int:
        return self.times[1]


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
    hits = 0
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
                # What is cut off cannot be hit; another bit each time, or two would leave all as it was.
                offset = min(damage.spot(packet), len(done.frame) - 1)
                if offset >= ETHERNET:
                    done.frame = damage.flipped(done.frame, offset, hits % 8)
                    done.remarks.append(_corrupted(offset))
                    hits += 1
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


def _remark(treatment: _Treatment, hold: int, passed: int = 0) -> str:
    """Say what was done to a packet that was held for so many ns, not counting what it waited in a queue.

    `passed` is how many have overtaken it.
    """
    remarks = list(treatment.remarks)
    if treatment.is_twice:
        remarks.append("duplicated by wire")
    if passed:
        by = f" (by {passed} packets)" if passed > 1 else ""
        remarks.append(f"reordered by wire{by}")
    if hold:
        nobody = " (nothing overtook it)" if treatment.overtaken_by and not passed else ""
        remarks.append(f"{_held(hold)}{nobody}")
    return ", ".join(remarks)


def _held(time_ns: int) -> str:
    if not time_ns:
        return ""
    if time_ns < 1_000_000:
        return f"{HELD}{round(time_ns / 1e3)} us by wire"
    return f"{HELD}{round(time_ns / 1e6, 1):.10g} ms by wire"


def _corrupted(offset: int) -> str:
    """Say which byte was hit, counted from the frame's first, 0, as Wireshark does."""
    return f"corrupted by wire (byte {offset})"


_DROPPED = Fate((), DROPPED, is_dropped=True)
_FULL = Fate((), f"{DROPPED} (queue full)", is_dropped=True)
