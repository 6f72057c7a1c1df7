"""The processes that a lab keeps running: each node's services, and the recorder."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from netlab.backends.inside.nodes import NodeSpace
from netlab.errors import LabError, NetlabError, ServiceError
from netlab.kernel import process
from netlab.kernel.files import open_regular
from netlab.services.engines import ENGINES, every_address
from netlab.topology.model import Service

READY_SECONDS = 10.0
_LAST_LINES = 12


@dataclass(slots=True)
class Daemon:
    """A process that says on a pipe when it is ready: `who` for messages, `log` the file of its output.

    `may_end`: to end with status 0 is no failure, as of one that leaves a daemon of its own behind.
    `again` gets the status that it has ended with, and returns what was started in its place, if anything;
    `stop` is the signal that asks it to end, 0: it is never asked. `since` is where its words begin in the
    log, in bytes.
    """

    who: str
    pid: int
    ready: int
    log: Path | None
    may_end: bool = False
    again: Callable[[int], Daemon | None] | None = None
    stop: int = 0
    since: int = 0

    def last_lines(self) -> tuple[str, ...]:
        """Return the end of the log."""
        if self.log is None:
            return ()
        try:
            with open_regular(self.log) as log:
                log.seek(self.since)
                return tuple(log.read().decode(errors="replace").splitlines()[-_LAST_LINES:])
        except OSError:
            return ()


@dataclass(frozen=True, slots=True)
class Saying:
    """A daemon's end of its pipe; a program that takes the daemon's place closes it and says nothing."""

    descriptor: int

    def __call__(self) -> None:
        """Tell, once, that the daemon is ready."""
        os.write(self.descriptor, b"r")
        os.close(self.descriptor)


def launch(
    who: str, body: Callable[[Saying], int], log: Path | None = None, keep: Sequence[int] = ()
) -> Daemon:
    """Fork a daemon; `body` gets what tells that it is ready, and keeps the descriptors `keep`."""
    ready, said = os.pipe()
    since = _size(log)

    def child() -> int:
        os.close(ready)
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        output = os.open(log or "/dev/null", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        gc.freeze()  # what is garbage by now must not close a number that the daemon has taken
        process.keep_only(said, *keep)
        return body(Saying(said))

    pid = process.fork(child)
    os.close(said)
    return Daemon(who, pid, ready, log, since=since)


def _size(log: Path | None) -> int:
    """Return how long a log is; 0 where there is none yet."""
    try:
        return 0 if log is None else log.lstat().st_size
    except OSError:
        return 0


def launch_service(node: NodeSpace, service: Service, log: Path) -> Daemon:
    """Start a node's service with a builtin engine; it is ready when its sockets are bound."""

    def body(ready: Callable[[], None]) -> int:
        node.enter()
        started = time.monotonic()

        def write(line: str) -> None:
            with contextlib.suppress(OSError):  # a full disk is the recorder's to report: the server goes on
                os.write(1, f"{time.monotonic() - started:10.6f} {line}\n".encode())

        try:
            addresses = every_address(ipv6=node.plan.has_ipv6)
            server = ENGINES[service.kind, service.engine](service, addresses, write)
            server.bind()
        except NetlabError as error:
            write(str(error))
            return 1
        own = ", ".join(str(one.ip) for port in node.plan.ports for one in port.addresses)
        write(f"{service.kind} ({service.engine}) serves at {own}")
        ready()
        server.serve()
        return 0

    node.prepare()
    return launch(service_of(node.plan.name, service.called), body, log, node.descriptors())


def service_of(node: str, called: str) -> str:
    """Return what messages call a service."""
    return f"service {called} of node {node}"


def wait_ready(daemons: Mapping[int, Daemon]) -> None:
    """Wait until each has said that it is ready; `daemons` is keyed by the pipe to read.

    Raises ServiceError with the last log lines when one ends first, or is not ready in READY_SECONDS.
    """
    waiting = dict(daemons)
    poll = select.poll()
    for descriptor in waiting:
        poll.register(descriptor, select.POLLIN)
    deadline = time.monotonic() + READY_SECONDS
    try:
        while waiting:
            events = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not events:
                late = next(iter(waiting.values()))
                raise ServiceError(
                    f"{late.who} was not ready after {READY_SECONDS:g} s",
                    "its log ends so",
                    late.last_lines(),
                )
            for descriptor, _ in events:
                poll.unregister(descriptor)
                daemon = waiting.pop(descriptor)
                said = os.read(descriptor, 1)
                os.close(descriptor)
                if said != b"r":
                    raise ServiceError(
                        f"{daemon.who} ended before it was ready", "its log ends so", daemon.last_lines()
                    )
    finally:
        for descriptor in waiting:
            os.close(descriptor)


def finish(daemon: Daemon, seconds: float) -> None:
    """End a daemon with SIGTERM and wait for it.

    Raises LabError when it takes longer than `seconds`, ServiceError with its last words when it failed.
    """
    pidfd = os.pidfd_open(daemon.pid)
    poll = select.poll()  # the namespaces of a large lab take the descriptors that select(2) knows
    poll.register(pidfd, select.POLLIN)
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        if not poll.poll(seconds * 1000):
            raise LabError(f"{daemon.who} did not end within {seconds:g} s", "the machine may be overloaded")
    finally:
        os.close(pidfd)
    _, status = os.waitpid(daemon.pid, 0)
    if status:
        raise ServiceError(f"{daemon.who} failed", "it said", daemon.last_lines())
