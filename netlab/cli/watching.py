"""Verbs that watch a node of a running lab: logs, capture."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netlab.cli import console

if TYPE_CHECKING:
    from netlab.kernel.packets import Ring

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
    while True:
        for descriptor in logs.values():
            while data := os.read(descriptor, _CHUNK):
                sys.stdout.buffer.write(data)
        sys.stdout.flush()
        if not follow or select.select([lease], [], [], _FOLLOW_SECONDS)[0]:
            return


@click.command("capture", short_help="Show or record the packets of a node.")
@console.node_argument
@click.option(
    "-w", "--write", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write pcapng here."
)
@click.option("-c", "--count", type=click.IntRange(min=1), help="End after this many packets.")
@click.option("--seconds", type=click.FloatRange(min=0), help="End after this time.")
@console.lab_option
def capture_command(
    node: str, file: Path | None, count: int | None, seconds: float | None, lab_name: str | None
) -> None:
    """Show the packets that NODE sends and receives, one line each, or write them to FILE; until Ctrl-C.

    \b
    Examples:
      netlab capture client
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
    console.note(f"capturing in node {node}; Ctrl-C ends")
    sink: Any = _Lines(names, interfaces) if file is None else _File(file, names, interfaces)
    taken = 0
    with suppress(KeyboardInterrupt):
        for packet in _packets(ring, running.lease(), seconds):
            if packet.interface in interfaces:
                sink.take(packet)
                taken += 1
            if taken == count:
                break
    ring.count()
    sink.close()
    lost = f", {ring.dropped} lost" if ring.dropped else ""
    console.note(f"{taken} packets{lost}" + (f" in {file}" if file is not None else ""))


def _packets(ring: Ring, lease: Any, seconds: float | None) -> Iterator[Any]:  # noqa: ANN401 — a socket
    """Yield packets until the time is over or the lab has ended."""
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready = select.select([ring, lease], [], [], left)[0]
        if ring in ready:
            yield from ring.read()
        elif lease in ready or not ready:
            yield from ring.drain()
            return


class _Lines:
    """Packets as lines of a trace, as they come."""

    def __init__(self, names: dict[str, str], interfaces: dict[int, str]) -> None:
        from netlab.report.narrator import Narrator

        self._narrator = Narrator(names)
        self._interfaces = interfaces

    def take(self, packet: Any) -> None:  # noqa: ANN401 — a Sniffed
        from netlab.report.line import format_line
        from netlab.report.pcapng import Frame

        frame = Frame(packet.time_ns, self._interfaces[packet.interface], packet.data, packet.length)
        click.echo(format_line(self._narrator.line(frame)))

    def close(self) -> None:
        """Nothing is held back."""


class _File:
    """Packets as a pcapng file; readable at any moment."""

    def __init__(self, file: Path, names: dict[str, str], interfaces: dict[int, str]) -> None:
        from netlab.errors import MachineError
        from netlab.report.pcapng import Writer

        try:
            self._file = sys.stdout.buffer if str(file) == "-" else file.open("wb")
        except OSError as error:
            raise MachineError(
                f"cannot write {file}: {error.strerror}", "name a file that you may write"
            ) from error
        self._writer = Writer(self._file)
        self._numbers = {index: self._writer.add_interface(name) for index, name in interfaces.items()}
        self._writer.add_names(names)

    def take(self, packet: Any) -> None:  # noqa: ANN401 — a Sniffed
        self._writer.packet(self._numbers[packet.interface], packet.time_ns, packet.data, packet.length)
        self._writer.flush()

    def close(self) -> None:
        self._file.close()
