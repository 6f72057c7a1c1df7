"""Recording: every packet that a switch takes in, or a node sends and gets, written as pcapng as it comes."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from netlab.kernel import process
from netlab.kernel.packets import BLOCKS, RETIRE_MS, Ring, Sniffed, packet_socket
from netlab.plan.model import Plan, Port
from netlab.plan.segments import relayed
from netlab.report import fates
from netlab.report.fates import Note
from netlab.report.pcapng import Writer
from netlab.report.selecting import selects
from netlab.topology.recordings import Capture, Selection

# An answer may still be under way when the recording is told to end; it ends with the first silence, and
# with this time in any case.
SILENCE_SECONDS = 3 * RETIRE_MS / 1000
LONGEST_NS = 200_000_000
# For the wires' relay to tell what it has still to tell when the recording ends.
_RELAY_SECONDS = 5.0
_LARGEST = 1 << 18  # more than any message of the relay's
_MESSAGES = 64  # at a time

# What is called when a descriptor is readable.
Heard = Mapping[int, Callable[[], bool | None]]


@dataclass(slots=True)
class End:
    """The time (ns since the epoch) from which on packets are no longer recorded; None: not known yet."""

    time_ns: int | None = None

    def come(self, *_: object) -> None:
        """Let the end be near; meant for a signal, of which the first counts."""
        if self.time_ns is None:
            self.time_ns = time.time_ns() + LONGEST_NS

    def is_before(self, packet: Sniffed) -> bool:
        """Whether a packet came too late."""
        return self.time_ns is not None and self.time_ns < packet.time_ns


@dataclass(frozen=True, slots=True)
class Control:
    """What may change a recording while it goes on: when `fileno` is readable, `hear` is called."""

    fileno: int
    hear: Callable[[Recording], None]


class Recording:
    """Every switch port of the current namespace, recorded to one file; the plan's own captures to theirs.

    A port's packets are those that come in there, so each packet is recorded once, where it entered; what a
    wire then does to it comes from the wires' relay, over `feed`, if there ever is one.
    """

    def __init__(self, plan: Plan, output: BinaryIO, feed: socket.socket | None = None) -> None:
        # What comes from elsewhere is a bridge's own copy.
        self.ring = Ring(packet_socket(ignore_outgoing=True))
        self._names = plan.names
        self._ports: dict[int, _Port] = {}
        self._whole = _Track(Capture(""), output)
        self._chosen: dict[str, _Track] = {}
        self._fates = None if feed is None else _Fates(feed)
        self._chooses = False
        self.follow(plan, {port.port: socket.if_nametoindex(port.port) for port in plan.ports})

    @property
    def tracks(self) -> tuple[_Track, ...]:
        """All that is written to."""
        return (self._whole, *self._chosen.values())

    def follow(self, plan: Plan, indexes: Mapping[str, int]) -> None:
        """Record the ports of a plan from now on, by ifindex, which may not be there yet.

        Those that were there before are kept: what they took in may not have been read.
        """
        for port in plan.ports:
            index = indexes[port.port]
            self._ports[index] = _Port(port.port, _describe(port), port.switch)
        self._chooses = self._chooses or any(map(relayed, plan.ports))
        if self._chooses:
            self.ring.hear(self._ports)  # and not the ends of wires, which the same packets pass
        self._names = plan.names
        for track in self.tracks:
            track.follow(self._ports, self._names)

    def choose(self, captures: Sequence[Capture], open_file: Callable[[Capture], BinaryIO]) -> None:
        """Have these captures of the file from now on; those that it has no longer are completed.

        Raises OSError where a file cannot be written; then all is as it was.
        """
        fresh: dict[str, _Track] = {}
        with contextlib.ExitStack() as opened:
            for one in captures:
                if one.name not in self._chosen:
                    fresh[one.name] = _Track(one, opened.enter_context(open_file(one)))
            for packet in _arrived(self.ring):
                for track in self.tracks:
                    track.take(packet)
            opened.pop_all()
        for capture in captures:
            if capture.name in fresh:
                self._chosen[capture.name] = fresh[capture.name]
            else:
                self._chosen[capture.name].capture = capture
            self._chosen[capture.name].follow(self._ports, self._names)
        for name in [name for name in self._chosen if name not in {one.name for one in captures}]:
            self._chosen.pop(name).finish(self.ring)

    def run(self, ready: Callable[[], None], control: Control | None = None) -> None:
        """Record until SIGTERM, then write the counters; `ready` is called when no packet is missed."""
        heard: dict[int, Callable[[], bool | None]] = {}
        if control is not None:
            heard[control.fileno] = partial(control.hear, self)
        if self._fates is not None:
            heard[self._fates.fileno()] = self._note
        _record(self.ring, lambda: self.tracks, ready, heard, self._settle)

    def _note(self) -> bool:
        """Write what the relay tells; False when it tells nothing more."""
        notes = self._fates.read() if self._fates is not None else None
        for note in notes or ():
            for track in self.tracks:
                track.note(note)
        return notes is not None

    def _settle(self) -> int:
        """Have all that the relay has to tell; return how many packets' fates nobody knows."""
        if self._fates is None:
            return 0
        deadline = time.monotonic() + _RELAY_SECONDS
        self._note()  # a relay that has just begun: only who has read that knows whom to ask
        self._fates.ask()
        while self._fates.is_awaited and self._fates.wait(deadline - time.monotonic()):
            self._note()
        return self._fates.lost + self._fates.is_awaited


def record(
    plan: Plan,
    output: BinaryIO,
    ready: Callable[[], None],
    open_file: Callable[[Capture], BinaryIO],
    control: Control | None = None,
    feed: socket.socket | None = None,
) -> None:
    """Record every switch port of the current namespace to `output` until SIGTERM; then the counters.

    What the file's own captures choose goes to the files of `open_file` as well.
    `feed` is that of a `Recording`. Raises OSError where a file cannot be written.
    """
    recording = Recording(plan, output, feed)
    recording.choose(plan.captures, open_file)
    recording.run(ready, control)


def record_node(plan: Plan, output: BinaryIO) -> None:
    """Record what the current namespace, a node's, sends and receives, as `record` does."""
    interfaces = {index: _Port(name, "", "") for index, name in socket.if_nameindex() if name != "lo"}
    track = _Track(Capture(""), output)
    track.follow(interfaces, plan.names)
    _record(Ring(packet_socket(ignore_outgoing=False)), lambda: [track], lambda: None)


@dataclass(frozen=True, slots=True)
class _Port:
    """An interface as a capture has it, and the network whose switch it is a port of."""

    name: str
    description: str
    switch: str


def _describe(port: Port) -> str:
    return f"{port.interface} of node {port.node} at switch {port.switch}"


class _Track:
    """One file that is recorded to, of the packets that its capture selects."""

    def __init__(self, capture: Capture, output: BinaryIO) -> None:
        self.writer = Writer(output)
        self.capture = capture
        self._output = output
        self._numbers: dict[int, int] = {}
        self._declared: dict[_Port, int] = {}
        self._names: Mapping[str, str] = {}

    def follow(self, ports: Mapping[int, _Port], names: Mapping[str, str]) -> None:
        """Take the packets of these ports, by ifindex, that are of the capture's networks."""
        wanted = {
            index: port
            for index, port in ports.items()
            if not self.capture.networks or port.switch in self.capture.networks
        }
        for port in wanted.values():
            if port not in self._declared:
                self._declared[port] = self.writer.add_interface(port.name, port.description)
        self._numbers = {index: self._declared[port] for index, port in wanted.items()}
        if names != self._names:
            self._names = names
            self.writer.add_names(names)

    def take(self, packet: Sniffed) -> None:
        """Write a packet, or what is to be kept of it, if it is one of those."""
        number = self._numbers.get(packet.interface)
        if number is None:
            return
        selection, snap = self.capture.selection, self.capture.snap
        if selection != _EVERYTHING and not selects(selection, packet.data, packet.length):
            return
        data = packet.data if snap is None else packet.data[:snap]
        self.writer.packet(number, packet.time_ns, data, packet.length)

    def note(self, note: Note) -> None:
        """Write what became of a packet, if it is one of those."""
        number = self._numbers.get(note.interface)
        selection = self.capture.selection
        if number is not None and (
            selection == _EVERYTHING or selects(selection, note.frame, len(note.frame))
        ):
            self.writer.fate(number, note, self.capture.snap)

    def finish(self, ring: Ring, untold: int = 0) -> None:
        """Write the counters, which complete the file; `untold` are packets whose fate is not known."""
        ring.count()
        self.writer.finish(time.time_ns(), ring.received, ring.dropped + untold)


class _Fates:
    """The recorder's end of the way to the relay, for which it waits at the end only."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.setblocking(False)
        self._is_there = False  # the relay, which says so when it starts
        self.is_awaited = False
        self.lost = 0

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._end.fileno()

    def read(self) -> Sequence[Note] | None:
        """Return what has come, or some of it; None when nothing will come any more."""
        notes: list[Note] = []
        for _ in range(_MESSAGES):
            try:
                received = self._end.recv(_LARGEST)
            except BlockingIOError:
                break
            except OSError:
                received = b""
            if not received:
                self._is_there = self.is_awaited = False
                return notes or None
            for said in fates.unpacked(received):
                if isinstance(said, Note):
                    notes.append(said)
                else:
                    self._is_there, self.is_awaited = not said.gone, False
                    self.lost += said.lost
        return notes

    def ask(self) -> None:
        """Ask to be told when all has been told."""
        if self._is_there:
            with contextlib.suppress(OSError):  # it has ended
                self._end.send(b"?")
                self.is_awaited = True

    def wait(self, seconds: float) -> bool:
        """Wait until there is something to read; False when the time is over first."""
        poll = select.poll()
        poll.register(self._end, select.POLLIN)
        return bool(poll.poll(max(0.0, seconds) * 1000))


_EVERYTHING = Selection()


def _record(
    ring: Ring,
    tracks: Callable[[], Sequence[_Track]],
    ready: Callable[[], None],
    heard: Heard | None = None,
    settle: Callable[[], int] = lambda: 0,
) -> None:
    """Record from a ring until SIGTERM; `heard` as `packets` has it, `settle` returns what is missing."""
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    end = End()
    signal.signal(signal.SIGTERM, end.come)
    process.let_signals()

    def flush() -> None:
        for track in tracks():
            track.writer.flush()

    flush()
    ready()
    for packet in packets(ring, end, told, flush, heard or {}):
        for track in tracks():
            track.take(packet)
    untold = settle()
    for track in tracks():
        track.finish(ring, untold)


def _arrived(ring: Ring) -> Iterator[Sniffed]:
    """Yield what has come until now, and perhaps some of what comes meanwhile."""
    last_block = ring.blocks + BLOCKS
    while ring.blocks < last_block and ring.wait(SILENCE_SECONDS):
        yield from ring.read()


def packets(
    ring: Ring,
    end: End,
    told: int,
    pause: Callable[[], None],
    heard: Heard | None = None,
) -> Iterator[Sniffed]:
    """Yield what comes until the end, however busy the ring is; `pause` is called when all has been read.

    So is what is `heard`, by descriptor, whenever that is readable; one that returns False is heard no more.

    `told` is the descriptor that becomes readable when the end is known. What came before that is yielded
    whatever the clock says since: the ring cannot hold more than it has blocks.
    """
    poll = select.poll()
    poll.register(ring, select.POLLIN)
    poll.register(told, select.POLLIN)
    for descriptor in heard or ():
        poll.register(descriptor, select.POLLIN)
    last_block = None
    while last_block is None or ring.blocks < last_block:
        for packet in ring.read():
            if end.is_before(packet):
                return
            yield packet
        pause()
        if end.time_ns is None:
            ready = [descriptor for descriptor, _ in poll.poll()]
            for descriptor, hear in (heard or {}).items():
                if descriptor in ready and hear() is False:
                    poll.unregister(descriptor)
            continue
        last_block = last_block or ring.blocks + BLOCKS
        if not ring.wait(SILENCE_SECONDS):
            return
