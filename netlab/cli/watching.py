"""Verbs that watch a node of a running lab: logs, capture."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netlab.cli import console

if TYPE_CHECKING:
    from netlab.lab import Running
    from netlab.report.frame import Frame
    from netlab.report.pcapng import Reader

_CHUNK = 65536


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
    console.require_node(node, running.nodes, f"lab {running.info['name']}")
    told = running.info["nodes"][node]
    if not told["services"] and told["image"] is None:
        console.note(f"node {node} runs no service")
        return
    with _reading(lambda output: running.logs(node, output, follow=follow)) as (_, log), console.writing():
        while data := log.read1(_CHUNK):
            sys.stdout.buffer.write(data)
            sys.stdout.flush()


@contextmanager
def _reading(start: Callable[[int], Running]) -> Iterator[tuple[Running, io.BufferedReader]]:
    """Give what writes to the descriptor that `start` gets, and a file that reads what it writes."""
    reading, writing = os.pipe()
    with open(reading, "rb") as file:  # noqa: PTH123 — a descriptor
        try:
            running = start(writing)
        finally:
            os.close(writing)
        try:
            yield running, file
        finally:
            running.close()


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
    from netlab.report.pcapng import Reader

    running = lab.attach(lab_name)
    console.require_node(node, running.nodes, f"lab {running.info['name']}")
    names = {
        address.split("/")[0]: name
        for name, told in running.info["nodes"].items()
        for address in told["addresses"]
    }
    taken = 0
    with _reading(lambda output: running.packets(node, output)) as (recorder, source):
        reader = Reader(source)  # it has a beginning as soon as no packet is missed
        sink: _Lines | _File = _Lines(names) if file is None else _File(file, names)
        console.note(f"capturing in node {node}; Ctrl-C ends")
        with _ending(recorder, seconds):
            for frame in reader:
                sink.take(frame)
                taken += 1
                if taken == count:
                    break
        dropped = max((counted.dropped for counted in reader.statistics.values()), default=0)
        sink.close(reader, taken + dropped, dropped)
    lost = f", {dropped} lost" if dropped else ""
    where = f" in {file}" if file is not None and str(file) != "-" else ""
    console.note(f"{console.count(taken, 'packet')}{lost}{where}")


@contextmanager
def _ending(recorder: Running, seconds: float | None) -> Iterator[None]:
    """Tell the recorder to complete what it writes, after a time or by Ctrl-C; a second one does not wait."""

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        recorder.signal(signal.SIGTERM)

    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupt)
    timer = None if seconds is None else threading.Timer(seconds, recorder.signal, [signal.SIGTERM])
    try:
        if timer is not None:
            timer.start()
        yield
    finally:
        if timer is not None:
            timer.cancel()


class _Lines:
    """Packets as lines of a trace, as they come."""

    def __init__(self, names: dict[str, str]) -> None:
        from netlab.report.narrator import Narrator

        self._narrator = Narrator(names)

    def take(self, frame: Frame) -> None:
        from netlab.report.line import format_line

        console.say(format_line(self._narrator.line(frame)))

    def close(self, *_: object) -> None:
        """Nothing is held back."""


class _File:
    """Packets as a pcapng file, `-` being standard output; readable at any moment."""

    def __init__(self, file: Path, names: dict[str, str]) -> None:
        from netlab.report.pcapng import Writer

        self._path = file
        self._numbers: dict[str, int] = {}
        with console.writing(file):
            self._file = sys.stdout.buffer if str(file) == "-" else file.open("wb")
            self._writer = Writer(self._file)
            self._writer.add_names(names)
            self._writer.flush()

    def take(self, frame: Frame) -> None:
        with console.writing(self._path):
            number = self._number(frame.interface)
            self._writer.packet(number, frame.time_ns, frame.data, frame.original_length)
            self._writer.flush()

    def _number(self, interface: str) -> int:
        if interface not in self._numbers:
            self._numbers[interface] = self._writer.add_interface(interface)
        return self._numbers[interface]

    def close(self, reader: Reader, received: int, dropped: int) -> None:
        """End the capture and close the file; standard output is not ours to close."""
        with console.writing(self._path):
            for interface in reader.interfaces:
                self._number(interface.name)
            self._writer.finish(time.time_ns(), received, dropped)
        if self._file is not sys.stdout.buffer:
            with console.writing(self._path):
                self._file.close()
