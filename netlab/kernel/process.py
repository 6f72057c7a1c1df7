"""The one place that starts processes: forked children that run Python, and programs that replace them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import subprocess
import sys
import termios
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from netlab.errors import LabError

NOT_FOUND = 127
NOT_EXECUTABLE = 126


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run: `environment` is all it gets; `terminal`: its input is its controlling terminal."""

    argv: tuple[str, ...]
    directory: str
    environment: Mapping[str, str]
    terminal: bool = False


def fork(body: Callable[[], int], *, holding: Sequence[signal.Signals] = ()) -> int:
    """Fork; the child runs `body`, exits with what it returns, and never comes back into the caller.

    Signals that it is `holding` wait until `let_signals` lets them reach a handler of the child's. Raises
    LabError where there may be no further process.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, holding)
    try:
        child = os.fork()
    except BlockingIOError as error:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        what = "nothing can be started: there are as many processes as there may be (fork: EAGAIN)"
        raise LabError(what, "end some of them, or wait until they have ended") from error
    except OSError:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
    if child:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return child
    status = 1
    try:
        reset_signals(holding)
        status = body()
    except SystemExit as leave:
        status = leave.code if isinstance(leave.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def let_signals() -> None:
    """Let all signals through."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def reset_signals(holding: Sequence[signal.Signals] = ()) -> None:
    """Give signals back the meaning that a program expects; Python itself ignores SIGPIPE and SIGXFSZ."""
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, holding)
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGCHLD,
        signal.SIGPIPE,
        signal.SIGWINCH,
        signal.SIGXFSZ,
        signal.SIGALRM,
    ):
        signal.signal(number, signal.SIG_DFL)


def take_stdio(descriptors: Sequence[int], *, terminal: bool) -> None:
    """Start a session whose standard input, output and error are `descriptors`."""
    for standard, descriptor in enumerate(descriptors):
        os.dup2(descriptor, standard)
    os.setsid()
    if terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def keep_only(*descriptors: int) -> None:
    """Close every descriptor but the standard three and these: a child must not hold its parent's."""
    low = 3
    for descriptor in sorted(descriptors):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def restore_limits(*keep: int) -> None:
    """Close all descriptors but the standard three and these, and allow as many as the lab's maker had."""
    keep_only(*keep)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    soft = os.environ.pop("NETLAB_NOFILE", "")
    if soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(soft), hard))


def become(
    command: Command, where: str, limit: Callable[[], None] = lambda: None, *, keep: Sequence[int] = ()
) -> NoReturn:
    """Replace this process by the command; where it cannot be, say so and exit 126 or 127, as a shell.

    `limit` is called last: this process itself might not bear what the command is left with. The
    descriptors `keep` stay open until the command is there, or this process ends.
    """
    restore_limits(*keep)
    change_directory(command.directory)
    limit()
    program = command.argv[0]
    try:
        os.execvpe(program, command.argv, dict(command.environment))  # noqa: S606 — no shell is meant
    except OSError as error:
        # A directory of $PATH that this user may not enter gives EACCES, although nothing is there.
        if isinstance(error, FileNotFoundError | NotADirectoryError) or not _exists(command):
            _refuse(
                f"netlab: {program}: command not found in {where} — install it, or check the name and $PATH",
                NOT_FOUND,
            )
        _refuse(f"netlab: {program}: cannot be run in {where}: {error.strerror}", NOT_EXECUTABLE)


def change_directory(directory: str) -> None:
    """Go to the caller's directory; where the lab does not see it, say so and stay at the root."""
    try:
        os.chdir(directory)
    except OSError:
        hint = "a lab has a /tmp and a /run of its own, and sees what its maker's directory holds"
        os.write(2, f"netlab: {directory} cannot be seen in this lab, so / it is — {hint}\n".encode())


def _exists(command: Command) -> bool:
    """Whether there is a file where the command's program is looked for."""
    program = command.argv[0]
    path = "" if "/" in program else command.environment.get("PATH", os.defpath)
    for directory in path.split(os.pathsep):
        with contextlib.suppress(OSError):
            Path(directory, program).stat()
            return True
    return False


def _refuse(sentence: str, status: int) -> NoReturn:
    os.write(2, f"{sentence}\n".encode())
    os._exit(status)


def reap(seconds: float) -> None:
    """Wait for the end of all children, adopted ones too, but no longer than that."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0] or time.monotonic() < deadline:
            time.sleep(0.001)


def reap_these(children: Sequence[int], seconds: float) -> None:
    """Wait for the end of these children, but no longer than that."""
    deadline = time.monotonic() + seconds
    waiting = set(children)
    while waiting and time.monotonic() < deadline:
        waiting = {child for child in waiting if not _has_ended(child)}
        time.sleep(0.001)


def _has_ended(child: int) -> bool:
    try:
        return os.waitpid(child, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True


def converse(argv: Sequence[str], text: str) -> tuple[int, str]:
    """Run a program of the machine on a text; return its exit status and what it said, output and errors."""
    done = subprocess.run(
        argv, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode, done.stdout


def run_python(script: Path, arguments: Sequence[str]) -> int:
    """Run a script of ours outside any lab, with this interpreter; return its exit status."""
    return subprocess.run([sys.executable, str(script), *arguments], check=False).returncode
