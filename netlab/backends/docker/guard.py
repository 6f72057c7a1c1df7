"""The guard: a process beside the driver that removes a lab's containers when the driver is killed.

What has started ends by itself then (see `containers`); what was created and not started yet would stay.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

from netlab.backends.docker.engine import connect, sweep
from netlab.errors import NetlabError
from netlab.kernel import process

DONE = b"d"
_LINGER_SECONDS = 5.0
_PAUSE_SECONDS = 0.1


class Guard:
    """Watches until it is let go, or this process ends."""

    def __init__(self, lab: str) -> None:
        reading, self._writing = os.pipe()

        def body() -> int:
            os.close(self._writing)
            os.setsid()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            null = os.open(os.devnull, os.O_RDWR)
            for standard in range(3):
                os.dup2(null, standard)
            process.keep_only(reading)
            if os.read(reading, 1) == DONE:
                return 0
            with contextlib.suppress(NetlabError):
                _sweep(lab)
            return 0

        sys.stdout.flush()
        self._pid = process.fork(body)
        os.close(reading)

    def let_go(self) -> None:
        """End it: nothing is left to guard; twice is harmless."""
        if self._pid:
            with contextlib.suppress(BrokenPipeError):  # it was killed
                os.write(self._writing, DONE)
            os.close(self._writing)
            os.waitpid(self._pid, 0)
            self._pid = 0

    def leave_to_it(self) -> None:
        """Let it remove what is left, whatever becomes of this process; twice is harmless."""
        if self._pid:
            os.close(self._writing)
            self._pid = 0


def _sweep(lab: str) -> None:
    """Remove what there is, and what a request that the killed driver had under way makes yet."""
    engine = connect()
    deadline = time.monotonic() + _LINGER_SECONDS
    while time.monotonic() < deadline:
        sweep(engine, lab)
        time.sleep(_PAUSE_SECONDS)
