"""The way on which the relay tells the recorder what becomes of packets, without ever waiting for it."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections import deque

from netlab.report import fates
from netlab.report.fates import Note

_MOST_UNTOLD = 64 << 20  # bytes that may wait for a recorder who is slow
_AT_ONCE = 1 << 15


class Feed:
    """The relay's end; what the recorder does not take at once waits here, and what is too much is counted.

    It goes in messages of whole notes (SOCK_SEQPACKET): a relay that is killed leaves none that is torn.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.setblocking(False)
        self._batch = bytearray(fates.end(0))  # so that the recorder knows whom to ask
        self._full: deque[bytes] = deque()
        self._untold = 0  # bytes of these
        self._lost = 0
        self.is_open = True

    def fileno(self) -> int:
        """Return the descriptor to poll: readable when the recorder asks for the rest."""
        return self._end.fileno()

    @property
    def waiting(self) -> bool:
        """Whether something waits until the recorder takes it."""
        return bool(self._full or self._batch)

    def tell(self, note: Note) -> None:
        """Tell what became of a packet."""
        if not self.is_open:
            return
        if self._untold > _MOST_UNTOLD:
            self._lost += 1
            return
        self._batch += fates.packed(note)
        if len(self._batch) >= _AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Hand over what can be."""
        if self._batch:
            self._full.append(bytes(self._batch))
            self._untold += len(self._batch)
            self._batch.clear()
        with contextlib.suppress(OSError):  # it is full; or the recorder has ended, as `hear` finds
            while self._full:
                self._end.send(self._full[0])
                self._untold -= len(self._full.popleft())

    def hear(self, lost: int) -> None:
        """Answer the recorder that wants to be told when it has been told all; `lost` frames have no fate."""
        try:
            asked = self._end.recv(1)
        except BlockingIOError:
            return
        except OSError:
            asked = b""
        if asked:
            self._batch += fates.end(lost + self._lost)
        else:
            self.is_open = False
            self._batch.clear()
            self._full.clear()

    def leave(self, lost: int, seconds: float) -> None:
        """Tell all that is to be told, for the last time; but for so long at most."""
        deadline = time.monotonic() + seconds
        self._batch += fates.end(lost + self._lost, gone=True)
        self.flush()
        while self._full and self.is_open and (left := deadline - time.monotonic()) > 0:
            select.select([], [self._end], [], left)
            self.flush()
