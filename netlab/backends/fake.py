"""A backend whose nodes are no more than names: for tests of what stands above the backends, on any machine.

What is run in a node runs right here, as a child of the caller: without isolation, without packets. No
service is started, nothing is logged. What left its session, or lost its caller, is not ended by anyone.
Users cannot choose this backend: it is not among BACKENDS.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any

from netlab.backends.inside import splicing
from netlab.backends.inside.conversation import signal_group
from netlab.backends.protocol import PROMPT, Request, Rewire, check_name
from netlab.errors import LabError, TimeLimitError, UsageError
from netlab.kernel import files, process
from netlab.plan.changes import Change, compare
from netlab.plan.model import Plan
from netlab.report.pcapng import Writer

# Given to `python -c` with the seed, the script and its arguments; a traceback begins in the script.
_SCRIPT = """\
import random, sys, traceback
from pathlib import Path
_, seed, *sys.argv = sys.argv
path = Path(sys.argv[0])
sys.path.insert(0, str(path.resolve().parent))
sys.excepthook = lambda kind, error, trace: traceback.print_exception(error.with_traceback(trace.tb_next))
random.seed(seed)
exec(compile(path.read_bytes(), sys.argv[0], "exec"), {"__name__": "__main__", "__file__": sys.argv[0]})
"""


class Running:
    """A child that is reaped with its lab, not before: so its number, and its group's, stay its own."""

    def __init__(self, pid: int, node: str) -> None:
        self._pid = pid
        self.node = node
        self._end = FileIO(os.pidfd_open(pid))
        self._status: int | None = None

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._end.fileno()

    def wait(self, seconds: float | None = None) -> int:
        """Wait for the end and return the exit status; LabError when it came with the lab's."""
        poll = select.poll()
        poll.register(self._end, select.POLLIN)
        if not poll.poll(None if seconds is None else seconds * 1000):
            raise TimeLimitError(f"the command still runs after {seconds:g} s")
        self._look()
        if self._status is None:
            raise LabError("the lab has ended", "start it again")
        return self._status

    def signal(self, number: int) -> None:
        """Send a signal to the command and its children."""
        self._look()
        if self._pid and self._status is None:
            signal_group(self._pid, number)

    def close(self) -> None:
        """Leave; what still runs is killed."""
        self.signal(signal.SIGKILL)
        self._end.close()

    def reap(self) -> None:
        """Kill the whole session, of which children may be left, and take its end; once."""
        self._look()
        pid, self._pid = self._pid, 0
        signal_group(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def _look(self) -> None:
        """Note the status of a child that has ended by itself."""
        if self._pid and self._status is None:
            with contextlib.suppress(ChildProcessError):  # another thread ends the lab
                if seen := os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    self._status = seen.si_status + (0 if seen.si_code == os.CLD_EXITED else 128)


class Session:
    """A lab that is its plan and the children that run in its nodes' names, no more."""

    shares_machine = True

    def __init__(self, request: Request) -> None:
        self.has_ended = False
        self._plan = request.plan
        self._out = request.out
        self._end = FileIO(os.eventfd(0, os.EFD_CLOEXEC), "r+")
        self._children: list[Running] = []

    def run(
        self, node: str, command: process.Command, stdio: Sequence[int], *, script: bool = False
    ) -> Running:
        """Start a command, or a Python script, which imports Scapy itself if it wants it."""
        if script:
            command = replace(command, argv=self._script(node, command))
        body = partial(process.become, command, f"node {node}")
        return self._start(node, body, stdio, terminal=command.terminal)

    def packets(self, node: str, output: int) -> Running:
        """Write a capture that holds no packet."""
        interfaces = [port.interface for port in self._plan.node(node).ports]
        body = partial(_capture, self._plan, interfaces, 1, wait=True)
        return self._start(node, body, (output, output, output))

    def logs(self, node: str, output: int, *, follow: bool) -> Running:
        """Write nothing: no service runs."""
        return self._start(node, _wait_for_sigterm if follow else lambda: 0, (output, output, output))

    def info(self) -> dict[str, Any]:
        """Return what the lab would be; the services are those that would run."""
        self._check()
        nodes = {
            node.name: {
                "addresses": [str(one) for port in node.ports for one in port.addresses],
                "services": [service.called for service in node.services],
                "engines": {
                    service.called: {"engine": service.engine, "version": None} for service in node.services
                },
                "image": node.image,
            }
            for node in self._plan.nodes
        }
        out = str(self._out) if self._out is not None else None
        info = {"name": self._plan.name, "seed": self._plan.seed, "nodes": nodes, "out": out, "ended": []}
        return {**info, "time_limit": self._plan.time_limit}

    def apply(self, plan: Plan, *, dry: bool = False) -> list[Change]:
        """Take the plan for its own; what runs in the name of a node that is removed ends."""
        self._check()
        comparison = compare(self._plan, plan)
        comparison.check()
        if not dry:
            self._plan = comparison.new
            known = {node.name for node in self._plan.nodes}
            for child in self._children:
                if child.node not in known:
                    child.signal(signal.SIGKILL)
        return list(comparison.changes)

    def wires(self) -> dict[str, Any]:
        """Return the cables that there would be; nothing passes them."""
        self._check()
        return {"cables": [splicing.described(port, None) for port in self._plan.ports], "lost": 0}

    def wire(self, asked: Rewire) -> list[Change]:
        """Take the plan with that wire for its own."""
        return self.apply(splicing.planned(self._plan, asdict(asked)))

    def finish(self) -> list[dict[str, Any]]:
        """Write a record in which nothing was seen and nothing counted."""
        self._check()
        if self._out is not None:
            interfaces = [port.port for port in self._plan.ports]
            _capture(self._plan, interfaces, self._out / "capture.pcapng", wait=False)
            files.replace(self._out / "kernel.json", json.dumps({node.name: {} for node in self._plan.nodes}))
        return []

    def lease(self) -> FileIO:
        """Return what becomes readable when the lab has ended."""
        self._check()
        return FileIO(os.dup(self._end.fileno()))

    def close(self) -> None:
        """End the lab with what runs in its name; twice is harmless."""
        if not self.has_ended:
            self.has_ended = True
            for child in self._children:
                child.reap()
            os.eventfd_write(self._end.fileno(), 1)
            self._end.close()

    def _check(self) -> None:
        if self.has_ended:
            raise LabError("the lab has ended", "start it again")

    def _script(self, node: str, command: process.Command) -> tuple[str, ...]:
        if command.argv[0] == PROMPT:
            return (sys.executable, "-m", "scapy")
        if not Path(command.directory, command.argv[0]).exists():
            return command.argv  # which is not found, and told so
        seed = f"{self._plan.seed}/{node}/{len(self._children)}"
        return (sys.executable, "-P", "-c", _SCRIPT, seed, *command.argv)

    def _start(
        self, node: str, body: Callable[[], int], stdio: Sequence[int], *, terminal: bool = False
    ) -> Running:
        """Fork a child; when this returns, it leads a session, and signals mean what `body` makes of them."""
        self._check()
        ready, said = os.pipe()

        def child() -> int:
            # Out of the way first: one of them may have another's number to be.
            held = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 3) for descriptor in stdio]
            process.take_stdio(held, terminal=terminal)
            os.chdir("/")  # where a lab's commands are that cannot be where they should
            return body()  # which closes all but its streams, `said` too

        with warnings.catch_warnings():
            # Python 3.12 warns where the caller has threads: the child calls nothing that waits for theirs.
            warnings.simplefilter("ignore", DeprecationWarning)
            running = Running(process.fork(child), node)
        self._children.append(running)
        os.close(said)
        os.read(ready, 1)
        os.close(ready)
        return running


def _wait_for_sigterm() -> int:
    """Wait for SIGTERM, which comes when this has closed what `_start` waits for, and not before."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    process.keep_only()
    signal.sigwait({signal.SIGTERM})
    return 0


def _capture(plan: Plan, interfaces: Sequence[str], path: Path | int, *, wait: bool) -> int:
    """Write a capture without packets to a path, or to a descriptor; before its end, wait."""
    with open(path, "wb", closefd=isinstance(path, Path)) as file:
        writer = Writer(file)
        for interface in interfaces:
            writer.add_interface(interface)
        writer.add_names(plan.names)
        writer.flush()
        if wait:
            _wait_for_sigterm()
        writer.finish(time.time_ns(), 0, 0)
    return 0


@dataclass(frozen=True, slots=True)
class FakeBackend:
    """Where fakes are made; `labs` are those with a name, known to who has this backend."""

    labs: dict[str, Session] = field(default_factory=dict)

    def start(self, request: Request) -> Session:
        """Start a lab that ends with `close`."""
        return Session(request)

    def start_detached(self, request: Request, name: str, *, lock: int | None = None) -> bool:
        """Start a lab under a name; UsageError where that is taken, or is none."""
        check_name(name)
        if name in self.names():
            raise UsageError(f"a lab named {name!r} is running already", "give this one another name")
        self.labs[name] = Session(request)
        return lock is not None

    def attach(self, name: str) -> Session:
        """Find a lab by its name; UsageError where there is none."""
        if name not in self.names():
            raise UsageError(f"no lab named {name!r} is running", f"there is {', '.join(self.names())}")
        return self.labs[name]

    def names(self) -> list[str]:
        """Return the names of the labs that run."""
        return sorted(name for name, lab in self.labs.items() if not lab.has_ended)
