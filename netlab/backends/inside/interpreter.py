"""The warm interpreter: a process of the sandbox that has imported Scapy and forks into nodes.

Importing Scapy takes most of a second, a fork a few milliseconds. Each child enters its node, lets Scapy
read that node's interfaces and routes (it reads them at import and does not notice a change), seeds
`random` from the lab's seed, and runs the script as `python script.py` would.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import gc
import logging
import os
import random
import select
import signal
import socket
import sys
import threading
import traceback
import warnings
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TextIO

from netlab.backends.inside import channel
from netlab.backends.inside.nodes import enter
from netlab.backends.inside.startup import limit_script
from netlab.backends.protocol import PROMPT
from netlab.kernel import process

SETTINGS = "/run/netlab/settings"


def serve(end: socket.socket) -> int:
    """Import Scapy, then fork a child for each request on `end`, until the other side closes."""
    # Scapy writes its settings there, and the user's own would make a lab's result theirs.
    os.environ["XDG_CONFIG_HOME"] = SETTINGS
    _forget_caller()
    import scapy.all  # noqa: F401 — imported here once, for every child

    gc.freeze()  # what is garbage by now must not close, in a child, a number that the script has taken
    jobs: dict[int, int] = {}
    woken = _wake_by_children()
    poll = select.poll()
    for descriptor in (end.fileno(), woken):
        poll.register(descriptor, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in poll.poll()]
        if woken in ready:
            os.read(woken, 4096)
            _report(end, jobs)
        if end.fileno() in ready:
            received = channel.receive(end)
            if received is None:
                return 0
            _start(end, jobs, *received)


def _wake_by_children() -> int:
    """Return a descriptor that is readable when a child has ended; a handler might run just before a wait."""
    woken, wake = os.pipe()
    for descriptor in (woken, wake):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    return woken


def _start(end: socket.socket, jobs: dict[int, int], job: channel.Message, descriptors: list[int]) -> None:
    pid = process.fork(lambda: _child(end, job, descriptors))
    jobs[pid] = job["id"]
    for descriptor in descriptors:
        os.close(descriptor)
    channel.send(end, {"id": job["id"], "pid": pid})


def _report(end: socket.socket, jobs: dict[int, int]) -> None:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            channel.send(end, {"id": jobs.pop(ended[0]), "exit": os.waitstatus_to_exitcode(ended[1])})


def _forget_caller() -> None:
    """Undo what the process that started the lab had set up for itself, and a script must not meet.

    Streams come first: Scapy's log keeps the standard error that it finds when it is imported.
    """
    _renew_streams()
    atexit._clear()
    logging.getLogger().handlers.clear()
    warnings.resetwarnings()
    for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", category)
    warnings.filterwarnings("default", category=DeprecationWarning, module="__main__")
    warnings.showwarning = _show_warning


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    (file or sys.stderr).write(warnings.formatwarning(message, category, filename, lineno, line))


def _child(end: socket.socket, job: channel.Message, descriptors: list[int]) -> int:
    end.close()
    process.take_stdio(descriptors[:3], terminal=job["terminal"])
    enter((descriptors[3], descriptors[4], descriptors[5]), job["capabilities"])
    process.restore_limits()
    os.environ.clear()
    os.environ.update(job["environment"])
    if job["capabilities"] is not None:  # a container does not have its caller's directory
        Path(job["directory"]).mkdir(parents=True, exist_ok=True)
    process.change_directory(job["directory"])
    _renew_streams()
    _refresh_scapy()
    random.seed(job["seed"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    limit_script(job["limits"])
    if job["argv"][0] == PROMPT:
        return _prompt(job["names"])
    return _run_script(job["argv"])


def _renew_streams() -> None:
    """Make sys.stdin and its fellows anew: buffering and encoding follow what they now are."""
    sys.stdin = os.fdopen(0, "r", closefd=False)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)


def _refresh_scapy() -> None:
    from scapy.config import conf
    from scapy.interfaces import get_working_if

    conf.ifaces.reload()
    conf.route.resync()
    if conf.route6 is not None:
        conf.route6.resync()
    conf.netcache.flush()
    conf.iface = get_working_if()


def _run_script(argv: list[str]) -> int:
    """Run a script with its own name space; its traceback begins at its own first line."""
    path = Path(argv[0])
    sys.argv = argv
    sys.path.insert(0, str(path.resolve().parent))
    # What looks a class up by its module (pickle, typing, unittest) must find the script there.
    main = sys.modules["__main__"] = ModuleType("__main__")
    vars(main).update(__file__=argv[0], __builtins__=builtins)
    try:
        code = compile(path.read_bytes(), argv[0], "exec", dont_inherit=True)
    except OSError as error:
        print(f"netlab: {argv[0]}: {error.strerror} — is the path right, seen from the lab?", file=sys.stderr)
        return process.NOT_FOUND
    except (SyntaxError, ValueError) as error:
        traceback.print_exception(error.with_traceback(None))
        return 1
    try:
        exec(code, vars(main))  # noqa: S102 — the user's own script, in the user's own lab
        return 0
    except SystemExit as leave:
        return _exit_status(leave)
    except KeyboardInterrupt:
        return 130
    except BaseException as error:
        traceback.print_exception(error.with_traceback(_from_script(error.__traceback__)))
        return 1
    finally:
        _end_program()


def _end_program() -> None:
    """Wait for the script's threads, then do what it has left for its exit, as the end of a program does."""
    ours = threading.current_thread()
    while waiting := [each for each in threading.enumerate() if each is not ours and not each.daemon]:
        waiting[0].join()
    atexit._run_exitfuncs()


def _from_script(trace: TracebackType | None) -> TracebackType | None:
    return trace.tb_next if trace is not None else None


def _exit_status(leave: SystemExit) -> int:
    if leave.code is None:
        return 0
    if isinstance(leave.code, int):
        return leave.code & 0xFF
    print(leave.code, file=sys.stderr)
    return 1


def _prompt(names: dict[str, str]) -> int:
    """Scapy's own prompt, with the address of each node under the node's name."""
    from scapy.config import conf
    from scapy.main import interact
    from scapy.themes import NoTheme

    sys.argv = ["scapy"]  # Scapy reads options of its own there
    legal = {name.replace("-", "_"): address for name, address in names.items()}
    listed = ", ".join(f'{name} = "{address}"' for name, address in legal.items())
    print(f"The lab's addresses: {listed}")
    conf.fancy_banner = False
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        conf.color_theme = NoTheme()
    interact(mydict=legal, loglevel=logging.ERROR)
    return 0
