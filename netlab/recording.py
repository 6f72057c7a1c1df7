"""Recording: every packet that a switch takes in, or a node sends and gets, written as pcapng as it comes."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from netlab.kernel import process
from netlab.kernel.packets import BLOCKS, RETIRE_MS, Ring, Sniffed, packet_socket
from netlab.plan.model import Plan
from netlab.report.pcapng import Writer

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


def record(plan: Plan, output: BinaryIO, ready: Callable[[], None]) -> None:
    """Record every switch port of the current namespace to `output` until SIGTERM; then the counters.

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
    _record(packet_socket(ignore_outgoing=True), ports, plan, output, ready)


def record_node(plan: Plan, output: BinaryIO) -> None:
    """Record what the current namespace, a node's, sends and receives, as `record` does."""
    interfaces = {index: (name, "") for index, name in socket.if_nameindex() if name != "lo"}
    _record(packet_socket(ignore_outgoing=False), interfaces, plan, output, lambda: None)


def _record(
    sock: socket.socket,
    interfaces: Mapping[int, tuple[str, str]],
    plan: Plan,
    output: BinaryIO,
    ready: Callable[[], None],
) -> None:
    """Record from a packet socket; `interfaces` are name and description by index."""
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    end = End()
    signal.signal(signal.SIGTERM, end.come)
    process.let_signals()
    writer = Writer(output)
    numbers = {index: writer.add_interface(*named) for index, named in interfaces.items()}
    writer.add_names({str(port.address.ip): port.node for port in plan.ports})
    ring = Ring(sock)
    writer.flush()
    ready()
    for packet in packets(ring, end, told, writer.flush):
        number = numbers.get(packet.interface)
        if number is not None:
            writer.packet(number, packet.time_ns, packet.data, packet.length)
    ring.count()
    writer.finish(time.time_ns(), ring.received, ring.dropped)


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
