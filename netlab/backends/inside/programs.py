"""The programs that a lab starts in its nodes: how each begins, and how it is known to be ready, or to end.

One way for start-up commands, exec services and the engines that are programs of the machine's.
"""

from __future__ import annotations

import os
import re
import select
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from netlab.backends.inside import daemons
from netlab.backends.inside.nodes import NodeSpace
from netlab.errors import ServiceError
from netlab.kernel import limits, namespace, process
from netlab.kernel.files import open_regular
from netlab.topology.given import LogMatches, PortOpen, Ready, Succeeds

_LOOK_SECONDS = 0.01
_RETRY_SECONDS = 0.05  # between two runs of a command that is to succeed
_MOST_LOG = 1 << 20
_LED_TO = 4  # lines
_EXITING = 0x4  # PF_EXITING, among the flags of proc_pid_stat(5)


@dataclass(frozen=True, slots=True)
class Job:
    """A program to run in a node: `who` for messages, `log` the file that takes what it says.

    It is `ready` when all of that holds, `within` so many seconds; with none, once it runs. A line of its
    log that matches `trouble` tells that it will never be, and the command `explain` may tell why.
    `limited`: under the node's limits.
    """

    node: NodeSpace
    who: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    ready: tuple[Ready, ...] = ()
    within: int = 10
    directory: str = "/"
    trouble: str = ""
    explain: tuple[str, ...] = ()
    limited: bool = False

    def launch(self, *, after: float = 0.0, saying: str = "") -> daemons.Daemon:
        """Start it; a second time `after` some seconds, `saying` in its log why."""

        def body(ready: daemons.Saying) -> int:
            if saying:
                os.write(1, f"{saying}\n".encode())
            time.sleep(after)
            become(self.node, self._command(self.argv), limited=self.limited, keep=(ready.descriptor,))
            return 1

        return daemons.launch(self.who, body, self.log, descriptors(self.node))

    def _command(self, argv: tuple[str, ...]) -> process.Command:
        own = self.node.programs is None or self.directory != "/"
        return process.Command(argv, self.directory if own else "", self.environment)

    def succeeds(self, argv: tuple[str, ...], deadline: float) -> bool:
        """Run a command in the node, until the deadline at most, and say whether its status was 0."""

        def body(_: object) -> int:
            become(self.node, self._command(argv), limited=self.limited)
            return 1

        daemon = daemons.launch("", body, None, descriptors(self.node))
        os.close(daemon.ready)
        return _ends_well(daemon.pid, deadline, leads_group=True)

    def check_ports(self) -> None:
        """Raise ServiceError where a port is open by which it would be known to be ready."""
        for ready in self.ready:
            if isinstance(ready, PortOpen) and is_open(self.node, ready):
                what = f"{self.who} cannot become ready: {ready} before it starts"
                raise ServiceError(what, "another command or service of the node has it: choose another port")


def descriptors(node: NodeSpace) -> tuple[int, ...]:
    """Return what a child must keep to enter the node's programs."""
    own = node.programs
    return (*node.descriptors(), *(() if own is None else (own.mounts,)))


def become(
    node: NodeSpace, command: process.Command, *, limited: bool = True, keep: tuple[int, ...] = ()
) -> None:
    """Replace this process, a child, by a command in the node, under the node's limits if it is `limited`."""
    limiting = partial(limits.apply, node.plan.provisions.limits) if limited else lambda: None
    where = f"node {node.plan.name}"
    if node.plan.image is not None:
        where = f"image {node.plan.image} of {where}"
    process.become(node.enter_programs(command), where, limiting, keep)


@dataclass(slots=True)
class Waiting:
    """A job that has been started, until it is ready, or has ended as it should."""

    job: Job
    daemon: daemons.Daemon
    deadline: float
    goes_on: bool = True
    searched: dict[str, int] = field(default_factory=dict)  # pattern → how much of the log was searched

    @classmethod
    def begun(cls, job: Job, daemon: daemons.Daemon) -> Waiting:
        """Begin to wait for a job that was started just now."""
        return cls(job, daemon, time.monotonic() + job.within)

    def until_end(self) -> None:
        """Wait for its end; ServiceError where that does not come, or is not status 0."""
        os.close(self.daemon.ready)
        pidfd = os.pidfd_open(self.daemon.pid)
        try:
            if not ended(pidfd, self.job.within):
                hint = "one that goes on needs a condition, as ready: {port: 8080}"
                what = f"{self.job.who} still runs after {self.job.within} s"
                raise failure(what, f"{hint}; ", self.daemon)
            self._reap()
        finally:
            os.close(pidfd)

    def until_ready(self) -> bool:
        """Wait until it is ready, and say whether it goes on: one that ended well may have left a daemon."""
        pidfd = os.pidfd_open(self.daemon.pid)
        try:
            if self.job.ready:
                os.close(self.daemon.ready)  # what it says there, by its end at exec, is not that it is ready
                self._until_all_hold(pidfd)
            else:
                self._until_it_runs(pidfd)
        finally:
            os.close(pidfd)
        self._check_trouble()
        return self.goes_on

    def _until_it_runs(self, pidfd: int) -> None:
        """Wait for exec, which closes its end of the pipe, or for an end before that, which does so too."""
        os.read(self.daemon.ready, 1)
        os.close(self.daemon.ready)
        if _is_exiting(self.daemon.pid):
            ended(pidfd, self.job.within)
            self._reap()
            self.goes_on = False

    def _until_all_hold(self, pidfd: int) -> None:
        left = list(self.job.ready)
        while True:
            while left and self._holds(left[0]):
                left.pop(0)
            if not left:
                return
            if self.goes_on and ended(pidfd, 0):
                self._reap()
                self.goes_on = False
            if time.monotonic() >= self.deadline:
                self._give_up(left[0])
            pause = _RETRY_SECONDS if isinstance(left[0], Succeeds) else _LOOK_SECONDS
            if self.goes_on:
                ended(pidfd, pause)
            else:
                time.sleep(pause)

    def _holds(self, ready: Ready) -> bool:
        match ready:
            case PortOpen():
                return is_open(self.job.node, ready)
            case LogMatches(pattern):
                return self._matches(pattern)
            case Succeeds(argv):
                return self.job.succeeds(argv, self.deadline)

    def _matches(self, pattern: str) -> bool:
        """Search the log, whenever there is more of it, until the deadline at most.

        A child does so, which can be killed: an expression may take longer than anybody lives.
        """
        try:
            size = self.job.log.lstat().st_size
        except OSError:
            return False
        if size == self.searched.get(pattern):
            return False
        self.searched[pattern] = size
        log, since = self.job.log, self.daemon.since
        return _ends_well(process.fork(lambda: int(not told(log, pattern, since))), self.deadline)

    def _check_trouble(self) -> None:
        if self.job.trouble and (found := told(self.job.log, self.job.trouble, self.daemon.since)):
            what = f"{self.job.who} does not serve all that it should"
            raise ServiceError(what, "it says", found)

    def _give_up(self, ready: Ready) -> None:
        how = "" if self.goes_on else ", and has ended with status 0"
        what = f"{self.job.who} was not ready after {self.job.within} s{how}"
        raise failure(what, f"it is ready when {ready}; ", self.daemon)

    def _reap(self) -> None:
        """Take its end; ServiceError unless its status is 0, and that is no failure."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.daemon.pid, 0)[1])
        if status or not self.daemon.may_end:
            how = (
                f"ended with status {status}"
                if status >= 0
                else f"was killed by {signal.Signals(-status).name}"
            )
            raise failure(f"{self.job.who} {how}", "", self.daemon)


def failure(what: str, hint: str, daemon: daemons.Daemon) -> ServiceError:
    """Return the error of a program, with its last words."""
    lines = daemon.last_lines()
    return ServiceError(what, f"{hint}its log ends so" if lines else f"{hint}it said nothing", lines)


def ended(pidfd: int, seconds: float) -> bool:
    """Wait for a process's end, but no longer than that, and say whether it has come."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _ends_well(pid: int, deadline: float, *, leads_group: bool = False) -> bool:
    """Wait for a child's end, which the deadline brings at the latest, and say whether it was good."""
    pidfd = os.pidfd_open(pid)
    if not ended(pidfd, max(0.0, deadline - time.monotonic())):
        if leads_group:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)
    return os.waitpid(pid, 0)[1] == 0


def _is_exiting(pid: int) -> bool:
    """Say whether a child of ours, which nobody has waited for yet, is ending or has ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return fields[0] == "Z" or bool(int(fields[6]) & _EXITING)


def is_open(node: NodeSpace, ready: PortOpen) -> bool:
    """Say whether a socket of the node is bound to the port (proc_pid_net(5)); no packet is sent for it."""
    state = "0A" if ready.transport == "tcp" else "07"  # TCP_LISTEN, and what stands there for UDP
    with namespace.entered(node.network):
        for table in (ready.transport, f"{ready.transport}6"):
            with suppress(FileNotFoundError):
                for line in Path("/proc/thread-self/net", table).read_text().splitlines()[1:]:
                    fields = line.split()
                    if fields[3] == state and int(fields[1].rpartition(":")[2], 16) == ready.port:
                        return True
    return False


def told(log: Path, pattern: str, since: int = 0) -> list[str]:
    """Return the first line of a log that matches, after those that led to it; nothing where none does.

    What stands before `since`, in bytes, is passed over.
    """
    with suppress(OSError), open_regular(log) as file:
        file.seek(since)
        text = file.read(_MOST_LOG).decode(errors="replace")
        if found := re.search(pattern, text, re.MULTILINE):
            end = text.find("\n", found.start())
            return text[: len(text) if end < 0 else end].splitlines()[-_LED_TO:] or [""]
    return []
