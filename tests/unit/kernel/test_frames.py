"""What an outlet does with frames that a link does not take; a stand-in for its socket says no."""

from __future__ import annotations

import errno
import gc
import socket

import pytest

from netlab.kernel.frames import Outlet


class Link(Outlet):
    """An outlet whose link is there, or (`opens` False) cannot be opened, and refuses with an error."""

    def __init__(self, code: int, *, opens: bool = True) -> None:
        super().__init__("x")
        self.code = code
        self.opens = opens

    def _open(self) -> socket.socket:
        if not self.opens:
            raise OSError(self.code, "refused")
        self._socket = Refusing(self.code)
        return self._socket

    def _is_running(self) -> bool:
        return self._socket is not None


class Refusing(socket.socket):
    """A socket that sends nothing."""

    def __init__(self, code: int) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.code = code

    def send(self, *_: object) -> int:
        """Refuse."""
        raise OSError(self.code, "refused")


@pytest.mark.parametrize(
    ("code", "opens", "lost"),
    [
        (errno.ENOBUFS, True, 1),
        (errno.EMSGSIZE, True, 0),
        (errno.ENODEV, False, 0),
        (errno.EMFILE, False, 1),
    ],
)
def test_what_counts_as_lost(code: int, opens: bool, lost: int) -> None:
    """What there was no room or no descriptor for; not what a bridge would not forward either, or no link."""
    link = Link(code, opens=opens)
    link.put(b"frame")
    assert link.lost == lost
    link.close()


def test_a_loss_leaves_no_cycle() -> None:
    """Who collects no garbage, as the relay, keeps nothing of a frame that was lost."""
    link = Link(errno.ENOBUFS)
    link.put(b"frame")
    gc.collect()
    link.put(b"frame")
    assert gc.collect() == 0
    assert link.lost == 2
    link.close()
