"""Recording: every packet that a switch takes in, written to a pcapng file as it comes."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

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
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    end = End()
    signal.signal(signal.SIGTERM, end.come)
    writer = Writer(output)
    numbers = declare(plan, writer)
    ring = Ring(packet_socket(ignore_outgoing=True))
    writer.flush()
    ready()
    for packet in packets(ring, end, told, writer.flush):
        number = numbers.get(packet.interface)
        if number is not None:  # otherwise it is a bridge's own copy
            writer.packet(number, packet.time_ns, packet.data, packet.length)
    ring.count()
    writer.finish(time.time_ns(), ring.received, ring.dropped)


def declare(plan: Plan, writer: Writer) -> dict[int, int]:
    """Write the plan's ports and names; return the capture's number of each interface index."""
    numbers = {}
    for port in plan.ports:
        description = f"{port.interface} of node {port.node} at switch {port.switch}"
        numbers[socket.if_nametoindex(port.port)] = writer.add_interface(port.port, description)
    writer.add_names({str(port.address.ip): port.node for port in plan.ports})
    return numbers


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
