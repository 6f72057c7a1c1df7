"""A lab from outside: starting its sandbox, or finding one that runs, and asking its supervisor for things.

Each request has a connection of its own: closing it ends what it asked for, and threads do not meet.
A lab that outlives its maker listens on an abstract Unix socket, which the kernel forgets with its owner.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlab.backends.inside import channel, parcel
from netlab.backends.inside.supervisor import Supervisor
from netlab.backends.protocol import Request, Rewire, check_name, every_cable
from netlab.errors import LabError, TimeLimitError, UsageError
from netlab.kernel import sandbox
from netlab.kernel.probes import explain_refusal
from netlab.kernel.process import Command
from netlab.plan.model import Plan

if TYPE_CHECKING:
    from netlab.plan.changes import Change

_NOBODY = 65534  # the kernel's overflow id
_LAST_SECONDS = 5.0  # for a lab to end in its own way
_PATIENCE = 30.0  # seconds for an answer that needs no work; a lab that takes longer is stuck


class Running:
    """A command in a node; `fileno` is readable when it has ended."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._status: int | None = None
        self._turn = threading.Lock()  # one thread listens; others wait for it

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._end.fileno()

    def wait(self, seconds: float | None = None) -> int:
        """Wait for the end and return the exit status, 128 + n for signal n as a shell has it.

        Raises TimeLimitError when `seconds` are over first; the command then still runs.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        if not self._turn.acquire(timeout=-1 if seconds is None else max(0.0, seconds)):
            raise TimeLimitError(f"the command still runs after {seconds:g} s")
        try:
            while self._status is None:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                if not channel.wait(self._end, left):
                    raise TimeLimitError(f"the command still runs after {seconds:g} s")
                message = _answer(self._end)
                if "exit" in message:
                    status = message["exit"]
                    self._status = status if status >= 0 else 128 - status
        finally:
            self._turn.release()
        return self._status

    def signal(self, number: int) -> None:
        """Send a signal to the command and its children."""
        with contextlib.suppress(LabError):
            channel.send(self._end, {"do": "signal", "number": number})

    def close(self) -> None:
        """Leave; what still runs is killed."""
        self._end.close()


class Session:
    """A running lab; `connect` opens a connection to its supervisor."""

    shares_machine = True

    def __init__(self, connect: Callable[[], socket.socket], leave: Callable[[], None]) -> None:
        self._connect = connect
        self._leave = leave

    def run(self, node: str, command: Command, stdio: Sequence[int], *, script: bool = False) -> Running:
        """Start a command in a node, or a Python script in its warm interpreter."""
        verb = "script" if script else "run"
        return self._start({"do": verb, "node": node, "command": asdict(command)}, stdio)

    def packets(self, node: str, output: int) -> Running:
        """Write a node's packets to a descriptor."""
        return self._start({"do": "packets", "node": node}, (output,))

    def logs(self, node: str, output: int, *, follow: bool) -> Running:
        """Write the logs of a node's services to a descriptor."""
        return self._start({"do": "logs", "node": node, "follow": follow}, (output,))

    def _start(self, message: channel.Message, descriptors: Sequence[int]) -> Running:
        end = self._connect()
        try:
            channel.send(end, message, descriptors)
        except LabError:
            end.close()
            raise
        return Running(end)

    def info(self) -> dict[str, Any]:
        """Return what the lab is: name, seed, nodes with addresses and services, `out`, what has `ended`."""
        return self._ask("info")

    def apply(self, plan: Plan, *, dry: bool = False) -> list[Change]:
        """Bring the lab to what a plan says, or tell what that would change."""
        from netlab.plan.changes import Change

        message = {"do": "apply", "language": parcel.language(), "dry": dry}
        with self._connect() as end, parcel.wrapped(plan) as packed:
            channel.send(end, message, (packed,))
            # As long as the services that it starts may take; the lab's own end is heard.
            return [Change(**told) for told in _hear(end, patience=None)[0]["changes"]]

    def wires(self) -> dict[str, Any]:
        """Return the lab's cables, with what their wires did."""
        return every_cable(lambda first: self._ask("wires", first=first))

    def wire(self, asked: Rewire) -> list[Change]:
        """Give a cable another wire."""
        from netlab.plan.changes import Change

        with self._connect() as end:
            channel.send(end, {"do": "wire", **asdict(asked)})
            return [Change(**told) for told in _hear(end, patience=None)[0]["changes"]]

    def finish(self) -> list[dict[str, Any]]:
        """Complete the record; return the services that had ended, with status and last log lines."""
        ended: list[dict[str, Any]] = self._ask("finish")["ended"]
        return ended

    def lease(self) -> socket.socket:
        """Return a connection that becomes readable when the lab has ended."""
        return self._connect()

    def _ask(self, verb: str, **more: int) -> dict[str, Any]:
        with self._connect() as end:
            channel.send(end, {"do": verb, **more})
            return _answer(end)

    def close(self) -> None:
        """End the lab and wait until nothing of it is left; twice is harmless."""
        self._leave()


def _hear(end: socket.socket, patience: float | None = _PATIENCE) -> tuple[channel.Message, list[int]]:
    if not channel.wait(end, patience):
        hint = "a long `netlab apply` may be under way; else end it with `netlab down` or Ctrl-C"
        raise LabError(f"the lab has not answered for {patience:g} s", hint)
    received = channel.receive(end)
    if received is None:
        raise LabError("the lab has ended: its supervisor is gone", "start it again")
    if "error" in received[0]:
        channel.raise_error(received[0]["error"])
    return received


def _answer(end: socket.socket) -> channel.Message:
    return _hear(end)[0]


# -- a lab of ours ---------------------------------------------------------------------------------


def start(request: Request) -> Session:
    """Start a lab that ends with this process, or with `close`.

    Raises MachineError where the kernel refuses, LabError and ServiceError where the lab does not come up.
    """
    ours, keeper = _spawn(request, None)

    def connect() -> socket.socket:
        end, theirs = channel.pair()
        with theirs:
            try:
                channel.send(ours, {"do": "converse"}, (theirs.fileno(),))
            except LabError:
                end.close()
                raise
        return end

    def leave() -> None:
        nonlocal keeper
        if keeper and _has_execs(request):
            # It may have services that have a word to say before they end.
            with contextlib.suppress(LabError, OSError), connect() as end:
                channel.send(end, {"do": "stop"})
                channel.wait(end, _LAST_SECONDS)
        # Not only closed: a child that this process has forked may hold the same socket.
        with contextlib.suppress(OSError):
            ours.shutdown(socket.SHUT_RDWR)
        ours.close()
        if keeper:
            # Its end kills init, and with that everything: no process of the lab runs on after this,
            # though the kernel may still be taking its namespaces apart.
            os.kill(keeper, signal.SIGKILL)
            os.waitpid(keeper, 0)
            keeper = 0

    return Session(connect, leave)


def _has_execs(request: Request) -> bool:
    return any(service.kind == "exec" for node in request.plan.nodes for service in node.services)


def start_detached(request: Request, name: str, *, lock: int | None = None) -> bool:
    """Start a lab that outlives this process, under a name; UsageError where that is taken, or is none.

    The lab holds `lock`, a file's descriptor, for as long as it runs.
    """
    if os.geteuid() == _NOBODY:
        # Whoever has no id in a lab's user namespace appears there as this one, and might command the lab.
        raise UsageError("nobody's labs end with their command", "use an account of your own for `netlab up`")
    check_name(name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        try:
            listener.bind(_address(name))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise LabError(
                    f"lab {name!r} cannot listen: {error.strerror}", "see `netlab doctor`"
                ) from error
            hint = f"end it with `netlab down {name}`, or give this one a --name"
            raise UsageError(f"a lab named {name!r} is running already", hint) from None
        listener.listen(64)
        ours, _ = _spawn(request, listener, lock)
        ours.close()
    return lock is not None


def _spawn(
    request: Request, listener: socket.socket | None, lock: int | None = None
) -> tuple[socket.socket, int]:
    ours, theirs = channel.pair()
    keep = [theirs.fileno()]
    if listener is not None:
        keep.append(listener.fileno())
    if lock is not None:
        keep.append(lock)
    writable = (request.out,) if request.out is not None else ()
    view = sandbox.View(_needed(request.visible), writable)

    def inside() -> None:
        _supervise(request, theirs, listener)

    try:
        keeper = sandbox.spawn(inside, view, keep=keep, owned=listener is None)
    except OSError as error:
        ours.close()
        raise explain_refusal(error) from error
    finally:
        theirs.close()
    try:
        received = channel.receive(ours)
        if received is None:
            raise LabError("the lab's supervisor was killed while it started", "start it again")
        if "error" in received[0]:
            channel.raise_error(received[0]["error"])
    except BaseException:
        ours.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(keeper, signal.SIGKILL)
        os.waitpid(keeper, 0)
        raise
    return ours, keeper


def _supervise(request: Request, owner: socket.socket, listener: socket.socket | None) -> None:
    """Be a lab's PID 1: build it, tell the owner, serve until the owner leaves, or until told to end."""
    supervisor = Supervisor(request, listener=listener)
    try:
        supervisor.build()
    except BaseException as error:
        channel.send(owner, {"error": channel.encode_error(error)})
        return
    channel.send(owner, {"ready": True})
    if listener is None:
        supervisor.serve(owner)
    owner.close()
    supervisor.serve()


def _needed(visible: Sequence[Path]) -> tuple[Path, ...]:
    """Return what a lab must see: the working directory, Python, netlab, and what the caller adds."""
    package = Path(__file__).resolve().parents[3]
    interpreter = Path(sys.executable).resolve().parent
    wanted = (Path.cwd(), Path(sys.prefix), Path(sys.base_prefix), interpreter, package, *visible)
    # Pathlib's own raises where a directory above may not be entered: nobody sees what is there, we neither.
    there = (path for path in wanted if os.path.exists(path))  # noqa: PTH110
    # /tmp itself stays the lab's own, even for who works there.
    return tuple(dict.fromkeys(path for path in there if str(path) not in sandbox.PRIVATE))


# -- labs that run -----------------------------------------------------------------------------------


def _prefix() -> str:
    return f"netlab/{os.geteuid()}/"


def _address(name: str) -> bytes:
    return b"\0" + (_prefix() + name).encode()


def attach(name: str) -> Session:
    """Find a lab that `start_detached` started; UsageError where there is none of that name."""

    def connect() -> socket.socket:
        end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, channel.LARGEST)
        try:
            end.connect(_address(name))
        except OSError:
            end.close()
            raise UsageError(f"no lab named {name!r} is running", "`netlab ps` lists those that do") from None
        if channel.peer_user(end) not in (0, os.geteuid()):
            end.close()
            raise UsageError(f"the lab named {name!r} is another user's", "start one of your own")
        return end

    left = False

    def leave() -> None:
        nonlocal left
        if left:  # by now, another lab may have the name
            return
        with contextlib.suppress(UsageError, LabError), connect() as end:  # it may have ended meanwhile
            channel.send(end, {"do": "stop"})
            channel.wait(end, _PATIENCE)
        _wait_gone(name)
        left = True

    connect().close()
    return Session(connect, leave)


def names() -> list[str]:
    """Return the names of this user's labs that outlive their makers."""
    marker = f"@{_prefix()}"
    paths = (line.rsplit(maxsplit=1)[-1] for line in Path("/proc/net/unix").read_text().splitlines())
    return sorted({path.removeprefix(marker) for path in paths if path.startswith(marker)})


def _wait_gone(name: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while name in names():
        if time.monotonic() > deadline:
            raise LabError(f"lab {name!r} does not end", "its processes may wait for a disk")
        time.sleep(0.005)
