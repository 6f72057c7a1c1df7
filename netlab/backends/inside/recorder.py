"""A lab's record: the process that writes the capture, from start to finish, and the kernels' counters.

What that process does is `netlab.recording`'s.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from netlab.backends.inside import channel, daemons, parcel, visits
from netlab.backends.inside.nodes import NodeSpace
from netlab.errors import LabError, MachineError
from netlab.kernel import files
from netlab.plan.model import Plan
from netlab.topology.recordings import Capture

if TYPE_CHECKING:
    from netlab.recording import Recording

FINISH_SECONDS = 10.0
_ANSWER_SECONDS = 30.0


@dataclass(slots=True)
class Files:
    """The files of a plan's own captures, in a record's directory.

    What the recorder has made itself it goes on with; what stands there otherwise is somebody else's.
    """

    out: Path
    made: set[str] = field(default_factory=set)
    first: bool = True  # the record's directory was emptied of an earlier run's

    def open(self, capture: Capture) -> BinaryIO:
        """Open a capture's file; OSError where that cannot be."""
        mode = "wb" if self.first else "ab" if capture.file in self.made else "xb"
        opened = (self.out / capture.file).open(mode)
        self.made.add(capture.file)
        return cast(BinaryIO, opened)

    def forget(self, names: set[str]) -> None:
        """Remove files that were made for nothing."""
        for name in names:
            (self.out / name).unlink(missing_ok=True)
        self.made -= names


def launch(plan: Plan, out: Path, log: Path, feed: socket.socket) -> tuple[daemons.Daemon, socket.socket]:
    """Start to record every switch port to `capture.pcapng` in `out`, and the file's own captures.

    It is ready when no packet is missed. What comes with it is the way for `follow` and `choose` to tell it;
    `feed`, which is closed here, is its end of the way on which the wires' relay does.
    """
    ours, theirs = channel.pair()

    def body(ready: Callable[[], None]) -> int:
        from netlab.recording import Control, record

        chosen = Files(out)

        def begun() -> None:
            chosen.first = False
            ready()

        try:
            with (out / "capture.pcapng").open("wb") as output:
                control = Control(theirs.fileno(), lambda recording: _hear(recording, theirs, chosen))
                record(plan, output, begun, chosen.open, control, feed)
        except OSError as error:
            os.write(2, f"{error.filename or 'capture.pcapng'}: {error.strerror}\n".encode())
            return 1
        return 0

    daemon = daemons.launch("the recorder", body, log, [theirs.fileno(), feed.fileno()])
    theirs.close()
    feed.close()
    return daemon, ours


def _hear(recording: Recording, end: socket.socket, chosen: Files) -> None:
    """Do what the supervisor asks for: follow another plan, or have its captures."""
    received = channel.receive(end)
    if received is None:
        os._exit(1)  # without a supervisor there is no lab
    message, (descriptor,) = received
    plan = parcel.read(descriptor)
    os.close(descriptor)
    answer: channel.Message = {"number": message["number"]}
    made = set(chosen.made)
    try:
        if message["do"] == "follow":
            recording.follow(plan, message["indexes"])
        else:
            recording.choose(plan.captures, chosen.open)
    except OSError as error:
        chosen.forget(chosen.made - made)
        what = f"cannot write {error.filename}: {error.strerror}"
        hint = "move it away, or give the capture another name"
        answer["error"] = channel.encode_error(MachineError(what, hint))
    channel.send(end, answer)


def follow(control: socket.socket, plan: Plan, indexes: Mapping[str, int]) -> None:
    """Let the recorder record a plan's ports, by ifindex, from before they carry their first packet."""
    wanted = {port.port: indexes[port.port] for port in plan.ports}
    _tell(control, {"do": "follow", "indexes": wanted}, plan)


def choose(control: socket.socket, plan: Plan) -> None:
    """Let the recorder have a plan's own captures; MachineError where a file cannot be, and all stays."""
    _tell(control, {"do": "choose"}, plan)


def _tell(control: socket.socket, message: channel.Message, plan: Plan) -> None:
    deadline = time.monotonic() + _ANSWER_SECONDS
    number = time.monotonic_ns()
    with parcel.wrapped(plan) as descriptor:
        channel.send(control, message | {"number": number}, (descriptor,))
    answer: channel.Message = {}
    while answer.get("number") != number:  # the answer to an earlier one may have come too late
        if not channel.wait(control, max(0.0, deadline - time.monotonic())):
            what = f"the recorder has not answered for {_ANSWER_SECONDS:g} s"
            raise LabError(what, "the machine may be overloaded")
        received = channel.receive(control)
        if received is None:
            raise LabError("the recorder has ended", "`netlab down` tells why")
        answer = received[0]
    if "error" in answer:
        channel.raise_error(answer["error"])


def finish(recorder: daemons.Daemon) -> None:
    """End the recording; the capture is whole then. Raises what `daemons.finish` does."""
    daemons.finish(recorder, FINISH_SECONDS)


def write_counters(nodes: Iterable[NodeSpace], out: Path) -> None:
    """Write what each node's kernel counted to `kernel.json` in `out`; LabError where that fails."""
    text = visits.count(nodes)
    path = out / "kernel.json"
    try:
        files.replace(path, text)
    except OSError as error:
        raise LabError(
            f"cannot write to {path}: {error.strerror}", "make room, or choose --out DIR"
        ) from error
