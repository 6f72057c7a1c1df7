"""The one place that starts processes: forked children that run Python, and programs that replace them."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

NOT_FOUND = 127
NOT_EXECUTABLE = 126


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run: `environment` is all it gets; `terminal`: its standard input becomes its controlling terminal."""

    argv: tuple[str, ...]
    directory: str
    environment: Mapping[str, str]
    terminal: bool = False


def fork(body: Callable[[], int]) -> int:
    """Fork; the child runs `body` and exits with what it returns. It never comes back into the caller's code."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        reset_signals()
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


def reset_signals() -> None:
    """Give signals back the meaning that a program expects; Python itself ignores SIGPIPE and SIGXFSZ."""
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGCHLD,
        signal.SIGPIPE,
        signal.SIGWINCH,
        signal.SIGXFSZ,
    ):
        signal.signal(number, signal.SIG_DFL)


def take_stdio(descriptors: Sequence[int], *, terminal: bool) -> None:
    """Start a session whose standard input, output and error are `descriptors`."""
    for standard, descriptor in enumerate(descriptors):
        os.dup2(descriptor, standard)
    if terminal:
        os.login_tty(os.dup(0))
    else:
        os.setsid()


def restore_limits() -> None:
    """Close every descriptor but the standard three, and allow as many as the lab's maker had: a lab needs more."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    os.closerange(3, hard)
    soft = os.environ.pop("NETLAB_NOFILE", "")
    if soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(soft), hard))


def become(command: Command, where: str) -> NoReturn:
    """Replace this process by the command; where it cannot be, say so as a shell would, and exit 126 or 127."""
    restore_limits()
    with contextlib.suppress(OSError):
        os.chdir(command.directory)
    program = command.argv[0]
    try:
        os.execvpe(program, command.argv, dict(command.environment))
    except (FileNotFoundError, NotADirectoryError):
        _refuse(
            f"netlab: {program}: command not found in {where} — install it, or check the name and $PATH",
            NOT_FOUND,
        )
    except OSError as error:
        _refuse(f"netlab: {program}: cannot be run in {where}: {error.strerror}", NOT_EXECUTABLE)


def _refuse(sentence: str, status: int) -> NoReturn:
    os.write(2, f"{sentence}\n".encode())
    os._exit(status)


def run_python(script: Path, arguments: Sequence[str]) -> int:
    """Run a script of ours outside any lab, with this interpreter; return its exit status."""
    return subprocess.run([sys.executable, str(script), *arguments], check=False).returncode


def found(program: str, path: str) -> bool:
    """Whether a program of that name is on `path`."""
    return shutil.which(program, path=path) is not None
