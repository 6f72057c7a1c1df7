"""What nodes are given as they come up: files, then start-up commands, one after the other; and all commands.

Its counterpart is `netlab.plan.provisions`, which tells it beforehand.
"""

from __future__ import annotations

import os
import re
import select
import shlex
import signal
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from netlab.backends.inside import daemons
from netlab.backends.inside.nodes import NodeSpace, write_given
from netlab.errors import MachineError, ServiceError
from netlab.kernel import limits, namespace, process
from netlab.kernel.files import open_regular
from netlab.plan.model import Plan
from netlab.plan.provisions import log_name
from netlab.topology.given import Limits, LogMatches, PortOpen, Ready, Startup, Succeeds

_LOOK_SECONDS = 0.01
_RETRY_SECONDS = 0.05  # between two runs of a command that is to succeed
_MOST_LOG = 1 << 20
_MOST_SHOWN = 60
# What a program may expect of any environment; the rest speaks of who started the lab.
_KEPT = ("HOME", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The lab of start-up commands; `out` is where its record goes, `logs` where what they say does."""

    plan: Plan
    logs: Path
    out: Path | None


# -- every command -------------------------------------------------------------------------------------


def provided(node: NodeSpace, command: Mapping[str, Any]) -> dict[str, Any]:
    """Return a command, as a message has it, in the node's environment: the lab's, which wins."""
    environment = {**command["environment"], **dict(node.plan.provisions.environment)}
    return {**command, "environment": environment}


def become(node: NodeSpace, command: process.Command) -> None:
    """Replace this process, a child, by a command in the node, under the node's limits."""
    limiting = partial(limits.apply, node.plan.provisions.limits)
    where = f"node {node.plan.name}"
    if node.plan.image is not None:
        where = f"image {node.plan.image} of {where}"
    process.become(node.enter_programs(command), where, limiting)


def limits_of(node: NodeSpace) -> dict[str, int | None]:
    """Return the node's limits as a message has them."""
    return asdict(node.plan.provisions.limits)


def limit_script(told: Mapping[str, int | None]) -> None:
    """Limit this process, which is to run a script; its memory counts from what the interpreter has."""
    limits.apply(Limits(**told), beyond_own_memory=True)


# -- before the lab is ready ---------------------------------------------------------------------------


def give(nodes: Iterable[NodeSpace]) -> None:
    """Give the nodes their files, and see that their limits can be kept.

    Raises LabError for a file that cannot be where it should, MachineError for a limit that would do nothing.
    """
    for node in nodes:
        given = node.plan.provisions
        if given.files:
            node.prepare()
            if node.plan.image is not None:
                write_given(node)
        if given.limits.processes is not None:
            check_processes(node)


def check_processes(node: NodeSpace) -> None:
    """Raise MachineError where the kernel limits no processes of the node."""
    if not os.waitpid(process.fork(lambda: int(limits.can_limit_processes())), 0)[1]:
        what = f"the processes of node {node.plan.name} cannot be limited: the kernel limits none of root's"
        hint = "run netlab, or the container engine, as an ordinary user, or leave that limit out"
        raise MachineError(what, hint)


def start(nodes: Iterable[NodeSpace], around: Surroundings) -> list[daemons.Daemon]:
    """Run the start-up commands of each node, in order; return those that go on.

    Raises ServiceError with its last words for one that fails, or is not ready in its time.
    """
    going = []
    for node in nodes:
        for number, one in enumerate(node.plan.provisions.start, start=1):
            starting = _Starting(node, one, number, _environment(node, around))
            if (daemon := starting.run(around.logs)) is not None:
                going.append(daemon)
    return going


def _environment(node: NodeSpace, around: Surroundings) -> dict[str, str]:
    """Return a start-up command's environment: netlab's PATH, or none for an image's own, and the node's."""
    plan, variables = around.plan, {}
    if node.programs is None:
        here = str(Path(sys.executable).parent)
        path = [here, *os.environ.get("PATH", os.defpath).split(os.pathsep), "/usr/sbin", "/sbin"]
        variables = {name: os.environ[name] for name in _KEPT if name in os.environ}
        variables["PATH"] = os.pathsep.join(dict.fromkeys(path))
        if around.out is not None:
            variables["NETLAB_OUT"] = str(around.out)
    told = {"NETLAB_LAB": plan.name, "NETLAB_NODE": node.plan.name, "NETLAB_SEED": str(plan.seed)}
    return variables | told | dict(node.plan.provisions.environment)


@dataclass(frozen=True, slots=True)
class _Starting:
    """One start-up command of a node, from its start until it is ready or has ended."""

    node: NodeSpace
    startup: Startup
    number: int
    environment: Mapping[str, str]
    searched: dict[Path, int] = field(default_factory=dict)  # log → how much of it was searched

    @property
    def who(self) -> str:
        """Return what messages call it."""
        words = shlex.join(self.startup.argv)
        shown = words if len(words) <= _MOST_SHOWN else words[:_MOST_SHOWN] + "…"
        return f"start-up command {self.number} of node {self.node.plan.name} ({shown})"

    def run(self, logs: Path) -> daemons.Daemon | None:
        """Run it until it is ready, and return it; None once it has ended as it should."""
        ready = self.startup.ready
        if isinstance(ready, PortOpen) and _is_open(self.node, ready):
            what = f"{self.who} cannot become ready: {ready} before it starts"
            raise ServiceError(what, "another command or service of the node has it: choose another port")
        daemon = self._launch(logs / log_name(self.node.plan.name, self.number))
        pidfd = os.pidfd_open(daemon.pid)
        try:
            if ready is None:
                self._wait_end(daemon, pidfd)
                return None
            return daemon if self._wait_ready(daemon, pidfd, ready) else None
        finally:
            os.close(pidfd)

    def _launch(self, log: Path) -> daemons.Daemon:
        command = self._command(self.startup.argv)

        def body(_: object) -> int:
            become(self.node, command)
            return 1

        daemon = daemons.launch(self.who, body, log, self._descriptors())
        daemon.may_end = True  # it may leave a daemon of its own behind
        os.close(daemon.ready)  # what it says there, by its end at exec, is not yet that it is ready
        return daemon

    def _command(self, argv: tuple[str, ...]) -> process.Command:
        return process.Command(argv, "/" if self.node.programs is None else "", self.environment)

    def _descriptors(self) -> tuple[int, ...]:
        """Return what a child must keep to enter the node."""
        programs = self.node.programs
        return (*self.node.descriptors(), *(() if programs is None else (programs.mounts,)))

    def _wait_end(self, daemon: daemons.Daemon, pidfd: int) -> None:
        if not _ended(pidfd, self.startup.within):
            hint = "one that goes on needs a condition, as ready: {port: 8080}"
            what = f"{self.who} still runs after {self.startup.within} s"
            raise _failure(what, f"{hint}; ", daemon)
        self._reap(daemon)

    def _wait_ready(self, daemon: daemons.Daemon, pidfd: int, ready: Ready) -> bool:
        """Wait until it is ready, and say whether it goes on: one that ended well may have left a daemon."""
        deadline = time.monotonic() + self.startup.within
        goes_on = True
        while not self._is_ready(daemon, ready, deadline):
            if goes_on and _ended(pidfd, 0):
                self._reap(daemon)
                goes_on = False
            if time.monotonic() >= deadline:
                self._give_up(daemon, ready, goes_on=goes_on)
            pause = _RETRY_SECONDS if isinstance(ready, Succeeds) else _LOOK_SECONDS
            if goes_on:
                _ended(pidfd, pause)
            else:
                time.sleep(pause)
        return goes_on

    def _give_up(self, daemon: daemons.Daemon, ready: Ready, *, goes_on: bool) -> None:
        how = "" if goes_on else ", and has ended with status 0"
        what = f"{self.who} was not ready after {self.startup.within} s{how}"
        raise _failure(what, f"it is ready when {ready}; ", daemon)

    def _reap(self, daemon: daemons.Daemon) -> None:
        """Take its end; ServiceError unless its status is 0."""
        status = os.waitstatus_to_exitcode(os.waitpid(daemon.pid, 0)[1])
        if status:
            how = (
                f"ended with status {status}"
                if status > 0
                else f"was killed by {signal.Signals(-status).name}"
            )
            raise _failure(f"{self.who} {how}", "", daemon)

    def _is_ready(self, daemon: daemons.Daemon, ready: Ready, deadline: float) -> bool:
        match ready:
            case PortOpen():
                return _is_open(self.node, ready)
            case LogMatches(pattern):
                return self._matches(daemon, pattern, deadline)
            case Succeeds(argv):
                return self._succeeds(argv, deadline)

    def _matches(self, daemon: daemons.Daemon, pattern: str, deadline: float) -> bool:
        """Search the log, whenever there is more of it, until the deadline at most.

        A child does so, which can be killed: an expression may take longer than anybody lives.
        """
        assert daemon.log is not None, "a start-up command has a log"
        log = daemon.log
        try:
            size = log.lstat().st_size
        except OSError:
            return False
        if size == self.searched.get(log):
            return False
        self.searched[log] = size
        return _ends_well(process.fork(lambda: int(not _matches(log, pattern))), deadline)

    def _succeeds(self, argv: tuple[str, ...], deadline: float) -> bool:
        """Run a command in the node, until the deadline at most, and say whether its status was 0."""
        daemon = daemons.launch("", lambda _: self._become(argv), None, self._descriptors())
        os.close(daemon.ready)
        return _ends_well(daemon.pid, deadline, leads_group=True)

    def _become(self, argv: tuple[str, ...]) -> int:
        become(self.node, self._command(argv))
        return 1


def _failure(what: str, hint: str, daemon: daemons.Daemon) -> ServiceError:
    lines = daemon.last_lines()
    return ServiceError(what, f"{hint}its log ends so" if lines else f"{hint}it said nothing", lines)


def _ended(pidfd: int, seconds: float) -> bool:
    """Wait for a process's end, but no longer than that, and say whether it has come."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _ends_well(pid: int, deadline: float, *, leads_group: bool = False) -> bool:
    """Wait for a child's end, which the deadline brings at the latest, and say whether it was good."""
    pidfd = os.pidfd_open(pid)
    if not _ended(pidfd, max(0.0, deadline - time.monotonic())):
        if leads_group:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)
    return os.waitpid(pid, 0)[1] == 0


def _is_open(node: NodeSpace, ready: PortOpen) -> bool:
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


def _matches(log: Path, pattern: str) -> bool:
    with suppress(OSError), open_regular(log) as file:
        return re.search(pattern, file.read(_MOST_LOG).decode(errors="replace"), re.MULTILINE) is not None
    return False
