"""What carries the frames of wired cables, from the node's end to the switch's and back, as each is to fare.

A port with a wire is no port of its bridge. What the node sends comes in at `near`, the port; what is on its
way to the node comes in at `far`, one end of a second pair, whose other end is the bridge's port.
"""

from __future__ import annotations

import gc
import select
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from typing import Protocol

from netlab.kernel.frames import Outlet
from netlab.plan.model import Port
from netlab.plan.names import wire_ends
from netlab.report.fates import Note
from netlab.topology.wires import Wire
from netlab.wire.cable import HELD, Cable
from netlab.wire.fate import Released
from netlab.wire.feed import Feed

# A frame that seems to be so early, or to be older by so much than the last look, is so as the clock was set.
_ODD_NS = 1_000_000_000


class Source(Protocol):
    """Where frames come in, as at a `netlab.kernel.frames.Intake`."""

    def fileno(self) -> int:
        """Return the descriptor to poll."""

    def fit(self, mtu: int) -> None:
        """Have room for frames of that MTU."""

    def hear(self, interfaces: Iterable[int]) -> None:
        """Take the frames of these interfaces only."""

    def read(self) -> Iterable[tuple[int, int, bytes]]:
        """Yield time (ns since the epoch), interface and frame."""

    def count(self) -> int:
        """Return how many were lost."""


@dataclass(frozen=True, slots=True)
class Lead:
    """A port whose cable is relayed, with the ifindexes of the ends at which its frames come in."""

    port: Port
    near: int
    far: int

    @property
    def wire(self) -> Wire:
        """Its impairments."""
        assert self.port.wire is not None
        return self.port.wire


@dataclass(slots=True)
class Tally:
    """What a wire did in one direction: frames that came; were dropped, only held, or otherwise changed."""

    frames: int = 0
    dropped: int = 0
    delayed: int = 0
    altered: int = 0

    def count(self, remark: str) -> None:
        """Count a frame that went on, by what was done to it; what else than a delay stands first in that."""
        if remark.startswith(HELD):
            self.delayed += 1
        else:
            self.altered += 1


@dataclass(slots=True)
class _Cord:
    """A relayed cable; outlets and tallies are those of what comes to the node, then of what it sends."""

    lead: Lead
    outlets: tuple[Outlet, Outlet]
    cable: Cable = field(init=False)
    tallies: tuple[Tally, Tally] = field(init=False)
    mac: bytes = field(init=False)

    came: dict[int, int] = field(default_factory=dict)  # when those held back came, by the epoch

    def __post_init__(self) -> None:
        self.mac = bytes.fromhex(self.lead.port.mac.replace(":", ""))
        self.cable, self.tallies = Cable(self.lead.wire, self.mac), (Tally(), Tally())

    @property
    def state(self) -> _State:
        """How far it is."""
        return self.lead.wire, self.cable, self.tallies

    def renew(self, before: _State) -> None:
        """Begin with the wire as it now is; what is as it was `before` goes on where that was."""
        wire, cable, tallies = before
        if wire == self.lead.wire:
            self.cable, self.tallies = cable, tallies
            return
        self.cable = Cable(self.lead.wire, self.mac)
        kept = self.cable.go_on(cable)
        received, sent = (tally if same else Tally() for tally, same in zip(tallies, kept, strict=True))
        self.tallies = (received, sent)


# A wire, with what it is about to do, and what it did.
_State = tuple[Wire, Cable, tuple[Tally, Tally]]


class Relay:
    """All relayed cables of a lab; `feed` leads to the recorder, if there is one."""

    def __init__(
        self, source: Source, feed: Feed | None = None, outlet: Callable[[str], Outlet] = Outlet
    ) -> None:
        self.source = source
        self.feed = feed
        self._outlet = outlet
        self._cords: dict[str, _Cord] = {}
        self._ends: dict[int, tuple[_Cord, bool]] = {}  # by interface, with whether the node sends there
        # When (ns, monotonic), which came first, where it leaves, and what.
        self._under_way: list[tuple[int, int, Outlet, bytes]] = []
        self._count = 0
        self._holding: dict[str, _Cord] = {}  # whose cables hold back what is to be overtaken
        self._now = 0
        self._looked = time.monotonic_ns()  # what came earlier has been read
        self._before: dict[str, _State] = {}  # of the cables that the latest change was about
        self._lost = 0  # frames that outlets which are closed by now had no room for

    # -- cables ------------------------------------------------------------------------------------------

    def follow(self, leads: Iterable[Lead], *, back: bool = False) -> None:
        """Carry these cables, and no others, from now on; what stays of a wire goes on where it was.

        So does what is as before the latest change if that is taken `back`. What another wire still held
        goes on its way at once.
        """
        wanted = {lead.port.port: lead for lead in leads}
        former, self._before = self._before if back else {}, {}
        for name, cord in list(self._cords.items()):
            lead = wanted.get(name)
            if lead is None or (lead.near, lead.far) != (cord.lead.near, cord.lead.far):
                self._before[name] = cord.state
                self._leave(self._cords.pop(name))
        for name, lead in wanted.items():
            known = self._cords.get(name)
            if known is None:
                inner, _ = wire_ends(name)
                cord = self._cords[name] = _Cord(lead, (self._outlet(name), self._outlet(inner)))
                if name in former:
                    cord.renew(former[name])
            else:
                state, known.lead = known.state, lead
                if state[0] != lead.wire:
                    self._before[name] = state
                    self._flush(known)
                    known.renew(former.get(name, state))
        self._ends = {}
        for cord in self._cords.values():
            self._ends |= {cord.lead.near: (cord, True), cord.lead.far: (cord, False)}
        self.source.hear(self._ends)

    def _flush(self, cord: _Cord, now: int | None = None) -> None:
        """Let go of what a cable has held back for long enough, or (`now` None) of all of it."""
        clock = time.monotonic_ns() if now is None else now
        later = time.time_ns() - time.monotonic_ns()
        for one in cord.cable.flush(clock, whole=now is None):
            for _, frame in one.deliveries:
                cord.outlets[one.sent].put(frame)
            self._tell_released(cord, one, later)
        if cord.cable.due() is None:
            self._holding.pop(cord.lead.port.port, None)

    def _leave(self, cord: _Cord) -> None:
        """Let a cable go, and what is under way on it come to its end now."""
        for _, _, outlet, frame in sorted(self._under_way):
            if outlet in cord.outlets:
                outlet.put(frame)
        self._under_way = [each for each in self._under_way if each[2] not in cord.outlets]
        heapify(self._under_way)
        self._flush(cord)
        for outlet in cord.outlets:
            self._lost += outlet.lost
            outlet.close()

    # -- frames ------------------------------------------------------------------------------------------

    def carry(self) -> None:
        """Take what has come, and let go what is due."""
        clock = time.monotonic_ns()
        ahead = clock - time.time_ns()
        oldest, self._looked = self._looked - _ODD_NS, clock
        now, ends = self._now, self._ends
        for time_ns, interface, frame in self.source.read():
            if interface not in ends:
                continue
            cord, sent = ends[interface]
            came = time_ns + ahead
            now = max(now, came if oldest < came < clock + _ODD_NS else clock)
            if self._under_way and self._under_way[0][0] <= now:
                self._release(now)
            if self._holding:
                self._flush_due(now)
            self._pass(cord, sent, frame, (time_ns, now))
        self._now = now
        now = time.monotonic_ns()
        self._release(now)
        self._flush_due(now)

    def _pass(self, cord: _Cord, sent: bool, frame: bytes, times: tuple[int, int]) -> None:
        """Do with a frame what its cable decides; `times` is when it came, by the epoch's and our clock."""
        now = times[1]
        fate = cord.cable.fate(sent, frame, now)
        outlet, tally = cord.outlets[sent], cord.tallies[sent]
        tally.frames += 1
        for due, copy in fate.deliveries:
            if due <= now:
                outlet.put(copy)
            else:
                self._count += 1
                heappush(self._under_way, (due, self._count, outlet, copy))
        later = times[0] - now
        for one in fate.released:
            self._tell_released(cord, one, later)
        if fate.held:
            cord.came[fate.held] = times[0]
            self._holding[cord.lead.port.port] = cord
        elif fate.is_dropped:
            tally.dropped += 1
            self._tell(cord, Note(cord.lead.near, times[0], sent, frame, fate.remark))
        elif fate.remark:
            tally.count(fate.remark)
            copies = tuple((due + later, copy) for due, copy in fate.own) if sent else ()
            self._tell(cord, Note(cord.lead.near, times[0], sent, frame, fate.remark, copies))

    def _tell_released(self, cord: _Cord, one: Released, later: int) -> None:
        """Tell what became of a packet that was held back; `later` is the epoch's clock, less ours."""
        cord.tallies[one.sent].count(one.remark)
        copies = tuple((due + later, copy) for due, copy in one.deliveries) if one.sent else ()
        note = Note(cord.lead.near, cord.came.pop(one.number), one.sent, one.frame, one.remark, copies)
        self._tell(cord, note)

    def tell_held(self) -> None:
        """Tell what is held back now, and how that will end nobody knows yet."""
        for cord in self._holding.values():
            for number, sent, frame in cord.cable.held():
                note = Note(cord.lead.near, cord.came[number], sent, frame, "held back by wire")
                self._tell(cord, note)

    def _tell(self, cord: _Cord, note: Note) -> None:
        if self.feed is not None:
            # What is not for this node alone may have other fates elsewhere.
            is_ours = note.sent or note.frame[:6] == cord.mac
            whose = "" if is_ours else f" to {cord.lead.port.node}"
            self.feed.tell(replace(note, remark=note.remark + whose) if whose else note)

    def _release(self, now: int) -> None:
        under_way = self._under_way
        while under_way and under_way[0][0] <= now:
            _, _, outlet, frame = heappop(under_way)
            outlet.put(frame)

    def _flush_due(self, now: int) -> None:
        for cord in list(self._holding.values()):
            due = cord.cable.due()
            if due is None or due <= now:
                self._flush(cord, now)

    # -- what others want to know ------------------------------------------------------------------------

    @property
    def lost(self) -> int:
        """How many frames were lost because they came faster than they could be carried."""
        return (
            self.source.count()
            + self._lost
            + sum(outlet.lost for cord in self._cords.values() for outlet in cord.outlets)
        )

    @property
    def under_way(self) -> int:
        """How many copies of frames are on their way, and cables that hold some back to be overtaken."""
        return len(self._under_way) + len(self._holding)

    def tallies(self) -> dict[str, tuple[Tally, Tally]]:
        """Return what each wire did, by its port: to what comes to the node, then to what it sends."""
        return {name: cord.tallies for name, cord in self._cords.items()}

    def pause(self) -> float | None:
        """Return for how many seconds there is nothing to do, unless something comes; None: for ever."""
        dues = [self._under_way[0][0]] if self._under_way else []
        dues += [due for cord in self._holding.values() if (due := cord.cable.due()) is not None]
        return max(0, min(dues) - time.monotonic_ns()) / 1e9 if dues else None


def run(relay: Relay, controls: Mapping[int, Callable[[], None]]) -> None:
    """Carry frames for ever; `controls` are called when their descriptors are readable."""
    # A collection takes milliseconds, and a frame leaves no cycle behind.
    gc.collect()
    gc.freeze()
    gc.disable()
    feed = relay.feed
    while True:
        if feed and not feed.is_open:
            feed = relay.feed = None
        reads = [relay.source.fileno(), *controls, *([feed.fileno()] if feed else [])]
        writes = [feed.fileno()] if feed and feed.waiting else []
        # select and not poll: its time is in microseconds.
        ready, _, _ = select.select(reads, writes, [], relay.pause())
        relay.carry()
        if feed:
            if feed.fileno() in ready:
                relay.tell_held()
                feed.hear(relay.lost)
            feed.flush()
        for descriptor in ready:
            if descriptor in controls:
                controls[descriptor]()
