"""A capture written anew in the order of its packets' times, with what wires did to them in their comments.

So other programs show that too: what the recorder noted of wires stands in blocks that only netlab knows.
"""

from __future__ import annotations

from operator import attrgetter
from typing import BinaryIO

from netlab.report.pcapng import Capture, Writer


def restate(capture: Capture, file: BinaryIO) -> None:
    """Write a whole capture of the project's own."""
    writer = Writer(file)
    numbers: dict[str, int] = {}
    for interface in capture.interfaces:
        if interface.name not in numbers:
            numbers[interface.name] = writer.add_interface(interface.name, interface.description)
    writer.add_names(capture.names)
    frames = sorted(capture.frames, key=attrgetter("time_ns"))
    for frame in frames:
        number = numbers[frame.interface]
        writer.packet(number, frame.time_ns, frame.data, frame.original_length, frame.comment)
    received = sum(counted.received for counted in capture.statistics.values())
    writer.finish(frames[-1].time_ns if frames else 0, received, capture.dropped)
