"""The guard: a process beside the driver that removes a lab's containers when the driver is killed.

What has started ends by itself then (see `containers`); what was created and not started yet would stay.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from netlab.backends.docker.engine import connect, sweep
from netlab.errors import NetlabError
from netlab.kernel import process

DONE = b"d"


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
                sweep(connect(), lab)
                # A request of the killed driver's may still be under way in the engine.
                signal.sigtimedwait([], 1)
                sweep(connect(), lab)
            return 0

        sys.stdout.flush()
        self._pid = process.fork(body)
        os.close(reading)

    def let_go(self) -> None:
        """End it: nothing is left to guard; twice is harmless."""
        if self._pid:
            os.write(self._writing, DONE)
            os.close(self._writing)
            os.waitpid(self._pid, 0)
            self._pid = 0
