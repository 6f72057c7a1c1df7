"""Recording: every packet that a switch takes in, written to a pcapng file as it comes."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterable
from typing import BinaryIO

from netlab.kernel.packets import Ring, Sniffed, packet_socket
from netlab.plan.model import Plan
from netlab.report.pcapng import Writer


def record(plan: Plan, output: BinaryIO, ready: Callable[[], None]) -> None:
    """Record every switch port of the current namespace to `output` until SIGTERM; then the counters.

    A port's packets are those that come in there, so each packet is recorded once, where it entered.
    Raises OSError where the file cannot be written.
    """
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    signal.signal(signal.SIGTERM, lambda *_: None)
    writer = Writer(output)
    numbers = declare(plan, writer)
    ring = Ring(packet_socket(ignore_outgoing=True))
    writer.flush()
    ready()
    poll = select.poll()
    poll.register(ring, select.POLLIN)
    poll.register(told, select.POLLIN)
    stopping = False
    while not stopping:
        stopping = any(descriptor == told for descriptor, _ in poll.poll())
        write(writer, numbers, ring.drain() if stopping else ring.read())
    ring.count()
    # The ring is one for all ports, and so is its count of what it lost: it stands at the first.
    for number in numbers.values():
        dropped = ring.dropped if number == 0 else 0
        writer.statistics(number, time.time_ns(), ring.received if number == 0 else 0, dropped)
    writer.flush()


def declare(plan: Plan, writer: Writer) -> dict[int, int]:
    """Write the plan's ports and names; return the capture's number of each interface index."""
    numbers = {}
    for port in plan.ports:
        description = f"{port.interface} of node {port.node} at switch {port.switch}"
        numbers[socket.if_nametoindex(port.port)] = writer.add_interface(port.port, description)
    writer.add_names({str(port.address.ip): port.node for port in plan.ports})
    return numbers


def write(writer: Writer, numbers: dict[int, int], packets: Iterable[Sniffed]) -> None:
    """Write the packets of declared interfaces; a bridge's own copies of them are passed over."""
    for packet in packets:
        number = numbers.get(packet.interface)
        if number is not None:
            writer.packet(number, packet.time_ns, packet.data, packet.length)
    writer.flush()
