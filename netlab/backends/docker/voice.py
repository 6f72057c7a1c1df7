"""What a lab's PID 1 says, from its fabric, while the lab is being built; and images that end meanwhile."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from netlab.backends.docker.conversation import answer
from netlab.errors import LabError, ServiceError

if TYPE_CHECKING:
    from netlab.backends.docker.engine import Pipe

_SETTLE_SECONDS = 0.3
_LAST_LINES = 12


class Voice:
    """What the fabric's PID 1 says as it builds the lab: a line of JSON at each step."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._lines = b""
        self._faults = b""
        self._said: dict[str, bytes] = {}  # by images' programs

    def hear(self, step: str, starting: Mapping[str, Pipe] | None = None) -> None:
        """Wait until it says that a step is done; raise the error that it says.

        LabError where it has gone, or one of the containers that are `starting` has ended.
        """
        while not any(step in answer(line) for line in self._whole_lines()):
            self._wait(starting or {}, None)
            pieces = self._pipe.read()
            if pieces is None:
                why = self._faults.decode(errors="replace").strip().splitlines()
                what = "the lab's supervisor ended while it started" + (f": {why[-1]}" if why else "")
                raise LabError(what, "start it again; `netlab image build` makes its image anew")
            for number, data in pieces:
                if number == 1:
                    self._lines += data
                else:
                    self._faults += data

    def settle(self, starting: Mapping[str, Pipe]) -> None:
        """Give images a moment in which to fail."""
        self._wait(starting, _SETTLE_SECONDS)
        for pipe in starting.values():
            pipe.close()

    def _wait(self, starting: Mapping[str, Pipe], seconds: float | None) -> None:
        """Wait until it says something; ServiceError with its last words where an image's program ends."""
        poll = select.poll()
        by_descriptor = {pipe.fileno(): name for name, pipe in starting.items()}
        for descriptor in (self._pipe.fileno(), *by_descriptor):
            poll.register(descriptor, select.POLLIN)
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
            ready = [descriptor for descriptor, _ in poll.poll(left)]
            for name in (by_descriptor[descriptor] for descriptor in ready if descriptor in by_descriptor):
                self._take(name, starting[name])
            if self._pipe.fileno() in ready or not ready:
                return

    def _take(self, name: str, pipe: Pipe) -> None:
        pieces = pipe.read()
        said = self._said.get(name, b"")
        if pieces is None:
            log = tuple(said.decode(errors="replace").splitlines()[-_LAST_LINES:])
            raise ServiceError(
                f"{name}: its program ended as soon as it had started",
                "it said" if log else "it said nothing",
                log,
            )
        self._said[name] = said + b"".join(data for _, data in pieces)

    def _whole_lines(self) -> Iterator[bytes]:
        """Take line after line; what comes after the one that was waited for is kept."""
        while b"\n" in self._lines:
            line, _, self._lines = self._lines.partition(b"\n")
            yield line

    def close(self) -> None:
        """Let go of it; a lab that hangs on it ends."""
        self._pipe.close()
