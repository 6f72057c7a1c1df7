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
# More than a pseudo-terminal holds. A child that writes on after its command has ended is not waited for.
_MOST_LEFT = 1 << 20


def run(lab: Lab, node: str, argv: Sequence[str], *, seconds: float | None = None) -> int:
    """Run a command with our own standard streams and return its exit status.

    Where input and output are a terminal, the command gets one of its own, and Ctrl-C is its to handle.
    Else Ctrl-C is passed on, and a command that does not end by it is ended.
    """
    if os.isatty(0) and os.isatty(1) and _in_foreground():
        return _run_in_terminal(lab, node, argv, seconds)
    return run_plainly(lab, node, argv, seconds=seconds)


def run_plainly(lab: Lab, node: str, argv: Sequence[str], *, seconds: float | None = None) -> int:
    """Run a command with our streams as they are, what it prints in order; Ctrl-C is passed on."""
    running = lab.launch(node, argv)
    try:
        return running.wait(seconds)
    except TimeLimitError:
        _end(running)
        raise _over(argv[0], node, seconds) from None
    except KeyboardInterrupt:
        running.signal(signal.SIGINT)
        try:
            return running.wait(_GRACE_SECONDS)
        except TimeLimitError:
            _end(running)
            raise KeyboardInterrupt from None
    finally:
        running.close()


def _in_foreground() -> bool:
    """Whether we may change the terminal; a background job that tries is stopped. One not our own we may."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return True


def _end(running: Running) -> None:
    with contextlib.suppress(TimeLimitError):  # what outlives even SIGKILL ends with the lab
        end(running)


def _over(program: str, node: str, seconds: float | None) -> TimeLimitError:
    what = f"{program} was ended in node {node} after {seconds:g} s, its time limit"
    return TimeLimitError(what, "a longer one is given with --time-limit SECONDS")


# -- a terminal for the command --------------------------------------------------------------------


def _run_in_terminal(lab: Lab, node: str, argv: Sequence[str], seconds: float | None) -> int:
    sys.stdout.flush()
    master, slave = os.openpty()
    os.set_blocking(master, False)
    _copy_settings(slave)
    _copy_size(master)  # before the command asks
    errors = slave if os.isatty(2) else 2
    try:
        running = lab.launch(node, argv, stdio=(slave, slave, errors), terminal=True)
    finally:
        os.close(slave)
    try:
        with _raw(), _resizing(master):
            try:
                status = _relay(master, running, seconds)
            except TimeLimitError:
                _end(running)
                raise _over(argv[0], node, seconds) from None
            finally:
                _drain(master)
        return status
    finally:
        running.close()
        os.close(master)


def _relay(master: int, running: Running, seconds: float | None) -> int:
    """Carry bytes both ways until the command has ended; return its exit status.

    Neither side may block the other: a command that does not read what is typed, or pasted, still writes.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    typed = b""
    sources = {0, master}
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        reads: list[int | Running] = [running, *(sources - {0} if typed else sources)]
        ready, writable, _ = select.select(reads, [master] if typed else [], [], left)
        if deadline is not None and time.monotonic() >= deadline:
            raise TimeLimitError("over")
        if writable:
            typed = typed[_put(master, typed) :]
        if 0 in ready:
            typed = _take(0)
            sources -= set() if typed else {0}
        if master in ready and not _show(master):
            sources.discard(master)
        if running in ready:
            with contextlib.suppress(TimeLimitError):
                return running.wait(0)


def _take(source: int) -> bytes:
    """Read what is there; b"" at the end. A terminal without a writer left gives EIO."""
    try:
        return os.read(source, _CHUNK)
    except OSError:
        return b""


def _put(master: int, typed: bytes) -> int:
    """Write what the command's terminal takes; what is typed at one that nobody has open is lost."""
    try:
        return os.write(master, typed)
    except BlockingIOError:
        return 0
    except OSError:
        return len(typed)


def _show(master: int) -> int:
    """Show what is there and return how many bytes that was. A terminal of ours that has gone ends us."""
    data = _take(master)
    shown = 0
    while shown < len(data):
        try:
            shown += os.write(1, data[shown:])
        except BlockingIOError:
            select.select([], [1], [])
        except OSError:
            sys.exit(128 + signal.SIGHUP)
    return shown


def _drain(master: int) -> None:
    """Show what the command had written before it ended: the kernel holds it."""
    left = _MOST_LEFT
    while left > 0 and select.select([master], [], [], 0)[0]:
        shown = _show(master)
        left = left - shown if shown else 0


@contextlib.contextmanager
def _raw() -> Iterator[None]:
    """Put our terminal into raw mode: every key goes to the command's own."""
    before = termios.tcgetattr(0)
    try:
        tty.setraw(0, termios.TCSADRAIN)  # what has been typed already is for the command
        yield
    finally:
        with contextlib.suppress(termios.error):  # it may have been closed
            termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _resizing(master: int) -> Iterator[None]:
    before = signal.signal(signal.SIGWINCH, lambda *_: _copy_size(master))
    _copy_size(master)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _copy_settings(slave: int) -> None:
    """Let the keys of our terminal, as that for erasing, have their meaning in the command's."""
    with contextlib.suppress(termios.error):
        termios.tcsetattr(slave, termios.TCSANOW, termios.tcgetattr(0))


def _copy_size(master: int) -> None:
    with contextlib.suppress(OSError):
        size = fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8)
        fcntl.ioctl(master, termios.TIOCSWINSZ, size)
