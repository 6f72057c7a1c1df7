"""A command of a node at the user's terminal: a pseudo-terminal where there is one, Ctrl-C, a time limit."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator, Sequence

from netlab.errors import TimeLimitError
from netlab.lab import Lab, Running, end

_GRACE_SECONDS = 2.0
_CHUNK = 65536


def run(lab: Lab, node: str, argv: Sequence[str], *, seconds: float | None = None) -> int:
    """Run a command with our own standard streams and return its exit status.

    Where input and output are a terminal, the command gets one of its own, and Ctrl-C is its to handle.
    Else Ctrl-C is passed on, and a command that does not end by it is ended.
    """
    if os.isatty(0) and os.isatty(1):
        return _run_in_terminal(lab, node, argv, seconds)
    running = lab.launch(node, argv)
    try:
        return _wait(running, argv[0], node, seconds)
    finally:
        running.close()


def run_plainly(lab: Lab, node: str, argv: Sequence[str], *, seconds: float | None = None) -> int:
    """Run a script that asks nothing: our streams as they are, so that what it prints stays in order."""
    running = lab.launch(node, argv)
    try:
        return _wait(running, argv[0], node, seconds)
    finally:
        running.close()


def _wait(running: Running, program: str, node: str, seconds: float | None) -> int:
    try:
        return running.wait(seconds)
    except TimeLimitError:
        end(running)
        raise _over(program, node, seconds) from None
    except KeyboardInterrupt:
        running.signal(signal.SIGINT)
        try:
            return running.wait(_GRACE_SECONDS)
        except TimeLimitError:
            end(running)
            raise KeyboardInterrupt from None


def _over(program: str, node: str, seconds: float | None) -> TimeLimitError:
    what = f"{program} was ended in node {node} after {seconds:g} s, its time limit"
    return TimeLimitError(what, "a longer one is given with --time-limit SECONDS")


def _run_in_terminal(lab: Lab, node: str, argv: Sequence[str], seconds: float | None) -> int:
    master, slave = os.openpty()
    _copy_size(master)
    running = lab.launch(node, argv, stdio=(slave, slave, slave), terminal=True)
    os.close(slave)
    try:
        with _raw(), _resizing(master):
            _relay(master, running, seconds)
        return running.wait(0)
    except TimeLimitError:
        end(running)
        raise _over(argv[0], node, seconds) from None
    finally:
        running.close()
        os.close(master)


def _relay(master: int, running: Running, seconds: float | None) -> None:
    """Carry bytes both ways until the command has ended and all it wrote is shown."""
    deadline = None if seconds is None else time.monotonic() + seconds
    sources = [0, master, running.fileno()]
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready = select.select(sources, [], [], left)[0]
        if not ready:
            raise TimeLimitError("over")
        if master in ready and not _copy(master, 1):
            sources.remove(master)
        if 0 in ready and not _copy(0, master):
            sources.remove(0)
        if running.fileno() in ready and master not in ready:
            with contextlib.suppress(TimeLimitError):
                running.wait(0)
                return


def _copy(source: int, target: int) -> bool:
    """Copy what is there; False at the end. A terminal without a writer left gives EIO."""
    try:
        data = os.read(source, _CHUNK)
    except OSError:
        return False
    while data:
        written = os.write(target, data)
        data = data[written:]
        if not data:
            return True
    return False


@contextlib.contextmanager
def _raw() -> Iterator[None]:
    """Put our terminal into raw mode: every key goes to the command's own."""
    before = termios.tcgetattr(0)
    try:
        tty.setraw(0)
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        sys.stdout.flush()


@contextlib.contextmanager
def _resizing(master: int) -> Iterator[None]:
    before = signal.signal(signal.SIGWINCH, lambda *_: _copy_size(master))
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _copy_size(master: int) -> None:
    with contextlib.suppress(OSError):
        size = fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8)
        fcntl.ioctl(master, termios.TIOCSWINSZ, size)
