"""What carries the frames of wired cables, from the node's end to the switch's and back, as each is to fare.

A port with a wire is no port of its bridge. What the node sends comes in at `near`, the port; what is on its
way to the node comes in at `far`, one end of a second pair, whose other end is the bridge's port.
"""

from __future__ import annotations

import gc
import select
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Protocol

from netlab.kernel.frames import Outlet
from netlab.plan.model import Port
from netlab.plan.names import wire_ends
from netlab.report.fates import Note
from netlab.topology.wires import Wire
from netlab.wire.cable import DROPPED, HELD, Cable
from netlab.wire.feed import Feed

_ODD_NS = 1_000_000_000  # a frame that seems to be so old, or so early, is so because the clock was set


class Source(Protocol):
    """Where frames come in, as at a `netlab.kernel.frames.Intake`."""

    lost: int

    def fileno(self) -> int:
        """Return the descriptor to poll."""

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


@dataclass(slots=True)
class _Cord:
    """A relayed cable; outlets and tallies are those of what comes to the node, then of what it sends."""

    lead: Lead
    outlets: tuple[Outlet, Outlet]
    cable: Cable = field(init=False)
    tallies: tuple[Tally, Tally] = field(init=False)
    mac: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.mac = bytes.fromhex(self.lead.port.mac.replace(":", ""))
        self.renew()

    def renew(self) -> None:
        """Begin with the wire as it now is."""
        self.cable, self.tallies = Cable(self.lead.wire), (Tally(), Tally())


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
        self._lost = 0  # frames that outlets which are closed by now had no room for

    # -- cables ------------------------------------------------------------------------------------------

    def follow(self, leads: Iterable[Lead]) -> None:
        """Carry these cables, and no others, from now on; a wire that stays as it is goes on where it was.

        What another one still held goes on its way at once.
        """
        wanted = {lead.port.port: lead for lead in leads}
        for name, cord in list(self._cords.items()):
            lead = wanted.get(name)
            if lead is None or (lead.near, lead.far) != (cord.lead.near, cord.lead.far):
                self._leave(self._cords.pop(name))
        for name, lead in wanted.items():
            known = self._cords.get(name)
            if known is None:
                inner, _ = wire_ends(name)
                self._cords[name] = _Cord(lead, (self._outlet(name), self._outlet(inner)))
            else:
                wire, known.lead = known.lead.wire, lead
                if wire != lead.wire:
                    self._flush(known)
                    known.renew()
        self._ends = {}
        for cord in self._cords.values():
            self._ends |= {cord.lead.near: (cord, True), cord.lead.far: (cord, False)}
        self.source.hear(self._ends)

    def _flush(self, cord: _Cord, now: int | None = None) -> None:
        """Let go of what a cable has held back for long enough, or (`now` None) of all of it."""
        for sent, frame in cord.cable.flush(now):
            cord.outlets[sent].put(frame)
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
        now, ends = self._now, self._ends
        for time_ns, interface, frame in self.source.read():
            if interface not in ends:
                continue
            cord, sent = ends[interface]
            came = time_ns + ahead
            now = max(now, came if abs(came - clock) < _ODD_NS else clock)
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
        if not fate.remark:
            return
        if fate.remark.startswith(DROPPED):
            tally.dropped += 1
            copies: tuple[tuple[int, bytes], ...] = ()
        else:
            if fate.remark.startswith(HELD):  # what else is done to a packet is said first
                tally.delayed += 1
            else:
                tally.altered += 1
            own = fate.deliveries[0][1] if fate.deliveries else frame
            later = times[0] - now
            copies = tuple((due + later, copy) for due, copy in fate.deliveries if copy is own)
            if not copies:  # it is held back until others have passed
                self._holding[cord.lead.port.port] = cord
                copies = ((times[0], frame),)
        if self.feed is not None:
            # What is not for this node alone may have other fates elsewhere.
            whose = "" if sent or frame[:6] == cord.mac else f" to {cord.lead.port.node}"
            remark = fate.remark + whose
            self.feed.tell(Note(cord.lead.near, times[0], sent, frame, remark, copies if sent else ()))

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
                feed.hear(relay.lost)
            feed.flush()
        for descriptor in ready:
            if descriptor in controls:
                controls[descriptor]()
