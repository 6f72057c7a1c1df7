"""Verbs that watch a node of a running lab: logs, capture."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netlab.cli import console

if TYPE_CHECKING:
    from netlab.kernel.packets import Ring, Sniffed

_CHUNK = 65536
_FOLLOW_SECONDS = 0.2


@click.command("logs", short_help="Print the logs of a node's services.")
@console.node_argument
@click.option("-f", "--follow", is_flag=True, help="Go on as they grow, until Ctrl-C.")
@console.lab_option
def logs_command(node: str, follow: bool, lab_name: str | None) -> None:
    """Print what the services of NODE have written.

    \b
    Example:
      netlab logs web --follow
    """  # noqa: D301
    from netlab import lab

    running = lab.attach(lab_name)
    logs = running.logs(node)
    if not logs:
        console.note(f"node {node} runs no service")
        return
    lease = running.lease()
    ended = not follow
    while True:
        with console.writing():
            for descriptor in logs.values():
                while data := os.read(descriptor, _CHUNK):
                    sys.stdout.buffer.write(data)
            sys.stdout.flush()
        if ended:
            return
        # What a lab writes as it ends is shown in a last round.
        ended = bool(select.select([lease], [], [], _FOLLOW_SECONDS)[0])


@click.command("capture", short_help="Show or record the packets of a node.")
@console.node_argument
@click.option(
    "-w",
    "--write",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write pcapng here; - is standard output.",
)
@click.option("-c", "--count", type=click.IntRange(min=1), metavar="N", help="End after this many packets.")
@click.option("--seconds", type=click.FloatRange(min=0), metavar="SECONDS", help="End after this time.")
@console.lab_option
def capture_command(
    node: str, file: Path | None, count: int | None, seconds: float | None, lab_name: str | None
) -> None:
    """Show the packets that NODE sends and receives, one line each, or write them to FILE; until Ctrl-C.

    \b
    Examples:
      netlab capture client --seconds 10
      netlab capture client -w client.pcapng -c 10
    """  # noqa: D301
    from netlab import lab
    from netlab.kernel.packets import Ring

    running = lab.attach(lab_name)
    sock, interfaces = running.packets(node)
    interfaces = {index: name for index, name in interfaces.items() if name != "lo"}
    names = {
        address.split("/")[0]: name
        for name, told in running.info["nodes"].items()
        for address in told["addresses"]
    }
    ring = Ring(sock)
    sink: _Lines | _File = _Lines(names, interfaces) if file is None else _File(file, names, interfaces)
    taken = 0
    end = _End(seconds)
    console.note(f"capturing in node {node}; Ctrl-C ends")
    for packet in _packets(ring, running.lease(), end):
        if packet.interface in interfaces:
            sink.take(packet)
            taken += 1
        if taken == count:
            break
    ring.count()
    sink.close(ring)
    lost = f", {ring.dropped} lost" if ring.dropped else ""
    where = f" in {file}" if file is not None and str(file) != "-" else ""
    console.note(f"{console.count(taken, 'packet')}{lost}{where}")


class _End:
    """The moment with which a capture ends: known beforehand, or come by Ctrl-C or with the lab's end."""

    def __init__(self, seconds: float | None) -> None:
        self._moment = None if seconds is None else time.time_ns() + int(seconds * 1e9)
        self._told, self._tell = socket.socketpair()
        if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._interrupt)

    def _interrupt(self, *_: object) -> None:
        """End the capture with all that has come until now; a second Ctrl-C does not wait for that."""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.now()
        self._tell.send(b"\0")

    def fileno(self) -> int:
        """Return the descriptor to poll: readable once Ctrl-C has come."""
        return self._told.fileno()

    def now(self) -> None:
        """Let this be the moment."""
        self._moment = time.time_ns()

    def left(self) -> float | None:
        """Return how many seconds are left; None where no end is in sight."""
        return None if self._moment is None else max(0.0, (self._moment - time.time_ns()) / 1e9)

    def is_over(self, time_ns: int) -> bool:
        """Say whether a packet of that time came after the end."""
        return self._moment is not None and self._moment < time_ns


def _packets(ring: Ring, lease: Any, end: _End) -> Iterator[Sniffed]:  # noqa: ANN401 — a socket
    """Yield packets until the end, to which a reader slower than the traffic comes as well."""
    while end.left() != 0:
        if lease in select.select([ring, lease, end], [], [], end.left())[0]:
            end.now()
        for packet in ring.read():
            if end.is_over(packet.time_ns):
                return
            yield packet
    # The kernel may still hold back what came before.
    yield from takewhile(lambda packet: not end.is_over(packet.time_ns), ring.drain())


class _Lines:
    """Packets as lines of a trace, as they come."""

    def __init__(self, names: dict[str, str], interfaces: dict[int, str]) -> None:
        from netlab.report.narrator import Narrator

        self._narrator = Narrator(names)
        self._interfaces = interfaces

    def take(self, packet: Sniffed) -> None:
        from netlab.report.line import format_line
        from netlab.report.pcapng import Frame

        frame = Frame(packet.time_ns, self._interfaces[packet.interface], packet.data, packet.length)
        console.say(format_line(self._narrator.line(frame)))

    def close(self, _: Ring) -> None:
        """Nothing is held back."""


class _File:
    """Packets as a pcapng file, `-` being standard output; readable at any moment."""

    def __init__(self, file: Path, names: dict[str, str], interfaces: dict[int, str]) -> None:
        from netlab.report.pcapng import Writer

        self._path = file
        with console.writing(file):
            self._file = sys.stdout.buffer if str(file) == "-" else file.open("wb")
            self._writer = Writer(self._file)
            self._numbers = {index: self._writer.add_interface(name) for index, name in interfaces.items()}
            self._writer.add_names(names)
            self._writer.flush()

    def take(self, packet: Sniffed) -> None:
        with console.writing(self._path):
            number = self._numbers[packet.interface]
            self._writer.packet(number, packet.time_ns, packet.data, packet.length)
            self._writer.flush()

    def close(self, ring: Ring) -> None:
        """End the capture and close the file; standard output is not ours to close."""
        with console.writing(self._path):
            self._writer.finish(time.time_ns(), ring.received, ring.dropped)
        if self._file is not sys.stdout.buffer:
            with console.writing(self._path):
                self._file.close()
