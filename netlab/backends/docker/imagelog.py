"""What the program of a node's own image has printed: the engine keeps it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from netlab.errors import NetlabError

if TYPE_CHECKING:
    from netlab.backends.docker.conversation import Running
    from netlab.backends.docker.engine import LogStream


class ImageLog:
    """Copies containers' logs to a descriptor, beside `services`, what writes those of the same node.

    Followed, it ends with these.
    """

    def __init__(self, sources: Sequence[LogStream], services: Running, output: int) -> None:
        self._services = services
        self._sources = sources
        self._output = os.dup(output)
        self._ended, self._end = os.pipe()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def _carry(self) -> None:
        copying = [threading.Thread(target=self._copy, args=[each], daemon=True) for each in self._sources]
        for thread in copying:
            thread.start()
        try:
            with contextlib.suppress(NetlabError):  # who waits for it hears that
                self._services.wait()
            for thread in copying:
                thread.join()
        finally:
            os.close(self._output)
            os.write(self._end, b"\0")

    def _copy(self, source: LogStream) -> None:
        with contextlib.suppress(OSError):
            for data in source:
                left = data
                while left:
                    left = left[os.write(self._output, left) :]

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._ended

    def wait(self, seconds: float | None = None) -> int:
        """Wait until all of it is written."""
        status = self._services.wait(seconds)
        self._thread.join(seconds)
        return status

    def signal(self, number: int) -> None:
        """End it."""
        self._leave_sources()
        self._services.signal(number)

    def close(self) -> None:
        """Leave."""
        self._leave_sources()
        self._services.close()
        self._thread.join()
        for descriptor in (self._ended, self._end):
            os.close(descriptor)

    def _leave_sources(self) -> None:
        for source in self._sources:
            source.close()
