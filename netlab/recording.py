"""Recording: every packet that a switch takes in, or a node sends and gets, written as pcapng as it comes."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from netlab.kernel import process
from netlab.kernel.packets import BLOCKS, RETIRE_MS, Ring, Sniffed, packet_socket
from netlab.plan.model import Plan
from netlab.report.pcapng import Writer
from netlab.report.selecting import selects
from netlab.topology.recordings import Capture, Selection

# An answer may still be under way when the recording is told to end; it ends with the first silence, and
# with this time in any case.
SILENCE_SECONDS = 3 * RETIRE_MS / 1000
LONGEST_NS = 200_000_000


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


def record(
    plan: Plan, output: BinaryIO, ready: Callable[[], None], chosen: Sequence[tuple[Capture, BinaryIO]] = ()
) -> None:
    """Record every switch port of the current namespace to `output` until SIGTERM; then the counters.

    What the file's own captures have `chosen` goes to their outputs as well.
    A port's packets are those that come in there, so each packet is recorded once, where it entered.
    Raises OSError where the file cannot be written.
    """
    ports = {
        socket.if_nametoindex(port.port): (
            port.port,
            f"{port.interface} of node {port.node} at switch {port.switch}",
        )
        for port in plan.ports
    }
    # What comes from elsewhere is a bridge's own copy.
    switches = {socket.if_nametoindex(port.port): port.switch for port in plan.ports}
    tracks = [_Track(plan, Capture(""), output, ports)]
    for capture, file in chosen:
        wanted = {
            index: named
            for index, named in ports.items()
            if not capture.networks or switches[index] in capture.networks
        }
        tracks.append(_Track(plan, capture, file, wanted))
    _record(packet_socket(ignore_outgoing=True), tracks, ready)


def record_node(plan: Plan, output: BinaryIO) -> None:
    """Record what the current namespace, a node's, sends and receives, as `record` does."""
    interfaces = {index: (name, "") for index, name in socket.if_nameindex() if name != "lo"}
    track = _Track(plan, Capture(""), output, interfaces)
    _record(packet_socket(ignore_outgoing=False), [track], lambda: None)


class _Track:
    """One file that is recorded to, of the packets that its capture selects."""

    def __init__(
        self, plan: Plan, capture: Capture, output: BinaryIO, interfaces: Mapping[int, tuple[str, str]]
    ) -> None:
        """Begin the file; `interfaces` are name and description by index."""
        self.writer = Writer(output)
        self._selection = None if capture.selection == Selection() else capture.selection
        self._snap = capture.snap
        self._numbers = {index: self.writer.add_interface(*named) for index, named in interfaces.items()}
        self.writer.add_names(plan.names)

    def take(self, packet: Sniffed) -> None:
        """Write a packet, or what is to be kept of it, if it is one of those."""
        number = self._numbers.get(packet.interface)
        if number is None:
            return
        if self._selection is not None and not selects(self._selection, packet.data, packet.length):
            return
        data = packet.data if self._snap is None else packet.data[: self._snap]
        self.writer.packet(number, packet.time_ns, data, packet.length)


def _record(sock: socket.socket, tracks: Sequence[_Track], ready: Callable[[], None]) -> None:
    """Record from a packet socket."""
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    end = End()
    signal.signal(signal.SIGTERM, end.come)
    process.let_signals()
    ring = Ring(sock)

    def flush() -> None:
        for track in tracks:
            track.writer.flush()

    flush()
    ready()
    for packet in packets(ring, end, told, flush):
        for track in tracks:
            track.take(packet)
    ring.count()
    for track in tracks:
        track.writer.finish(time.time_ns(), ring.received, ring.dropped)


def packets(ring: Ring, end: End, told: int, pause: Callable[[], None]) -> Iterator[Sniffed]:
    """Yield what comes until the end, however busy the ring is; `pause` is called when all has been read.

    `told` is the descriptor that becomes readable when the end is known. What came before that is yielded
    whatever the clock says since: the ring cannot hold more than it has blocks.
    """
    poll = select.poll()
    poll.register(ring, select.POLLIN)
    poll.register(told, select.POLLIN)
    last_block = None
    while last_block is None or ring.blocks < last_block:
        for packet in ring.read():
            if end.is_before(packet):
                return
            yield packet
        pause()
        if end.time_ns is None:
            poll.poll()
            continue
        last_block = last_block or ring.blocks + BLOCKS
        if not ring.wait(SILENCE_SECONDS):
            return
