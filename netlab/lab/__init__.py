"""The public API: a lab that runs. Start one from a plan, run commands and scripts in its nodes, stop it.

from netlab import lab, plan, topology

with lab.start(plan.make_plan(topology.load(Path("topologies/web.yaml")))) as web:
    print(web.output("client", ["dig", "+short", "www.lab.test"]).stdout)
"""

from __future__ import annotations

import contextlib
import difflib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from netlab import backends
from netlab.backends.protocol import PROMPT, Backend, Lease, Request, Rewire, Running, Session
from netlab.errors import LabError, ServiceError, TimeLimitError, UsageError
from netlab.kernel.process import Command
from netlab.lab.record import Record
from netlab.plan.model import Plan
from netlab.topology.vocabulary import BACKENDS_WITH_IMAGES

if TYPE_CHECKING:
    from netlab.plan.changes import Change

__all__ = ["PROMPT", "Lab", "Running", "attach", "did_you_mean", "end", "running", "start", "start_detached"]

# A lab has neither proxies nor the resolver habits of its host, and a /tmp of its own.
_DROPPED = {"RES_OPTIONS", "LOCALDOMAIN", "HOSTALIASES", "TMPDIR", "TMP", "TEMP"} | {
    spelled
    for name in ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
    for spelled in (name, name.upper())
}
# What a terminal needs of its user's environment; the rest speaks of a machine that a container is not.
_OF_A_TERMINAL = {"TERM", "LANG", "COLUMNS", "LINES", "NO_COLOR"}
_GRACE_SECONDS = 1.0


class Lab:
    """A running lab. As a context manager it stops at the end; `stop` twice is harmless."""

    def __init__(self, running: Session, backend: str, record: Record | None = None) -> None:
        self._session = running
        self._record = record
        self._backend = backend
        self.info = self._ask()

    def _ask(self) -> dict[str, Any]:
        return {**self._session.info(), "backend": self._backend}

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of the nodes."""
        return tuple(self.info["nodes"])

    @property
    def shares_machine(self) -> bool:
        """Whether nodes see the machine's files and programs; else theirs are an image's."""
        return self._session.shares_machine

    def launch(
        self,
        node: str,
        argv: Sequence[str],
        *,
        stdio: Sequence[int] = (0, 1, 2),
        environment: Mapping[str, str] | None = None,
        terminal: bool = False,
    ) -> Running:
        """Start a command in a node, from the caller's directory; what ends in .py is a script for Scapy.

        `stdio` are the descriptors of its standard input, output and error; with `terminal` the first
        becomes its controlling terminal. `environment` stands in for the caller's, of which a container
        gets only what a terminal needs. Raises UsageError where there is no such node.
        """
        self._known(node)
        variables = self._environment(node, environment)
        command = Command(tuple(argv), str(Path.cwd()), variables, terminal)
        script = argv[0].endswith(".py") or argv[0] == PROMPT
        return self._session.run(node, command, stdio, script=script)

    def run(self, node: str, argv: Sequence[str], *, seconds: float | None = None, **how: Any) -> int:  # noqa: ANN401 — launch's own
        """Run a command to its end and return its exit status; TimeLimitError when its limit ended it."""
        running = self.launch(node, argv, **how)
        try:
            return running.wait(seconds)
        except TimeLimitError:
            end(running)
            what = f"{argv[0]} was ended in node {node} after {seconds:g} s, its time limit"
            raise TimeLimitError(what, "a longer one is given with --time-limit SECONDS") from None
        finally:
            running.close()

    def output(
        self, node: str, argv: Sequence[str], *, seconds: float = 60.0, given: bytes = b""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command and return its exit status, output and error output as text; `given` is its input."""
        with (
            tempfile.TemporaryFile() as told,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            told.write(given)
            told.seek(0)
            stdio = (told.fileno(), out.fileno(), err.fileno())
            status = self.run(node, argv, seconds=seconds, stdio=stdio)
            out.seek(0)
            err.seek(0)
            text = [file.read().decode(errors="replace") for file in (out, err)]
        return subprocess.CompletedProcess(list(argv), status, *text)

    def packets(self, node: str, output: int) -> Running:
        """Write what a node sends and gets to a descriptor, as pcapng, until SIGTERM completes it."""
        self._known(node)
        return self._session.packets(node, output)

    def logs(self, node: str, output: int, *, follow: bool = False) -> Running:
        """Write the logs of the node's services to a descriptor; `follow` goes on until the lab ends."""
        self._known(node)
        return self._session.logs(node, output, follow=follow)

    def apply(self, plan: Plan, *, dry: bool = False) -> list[Change]:
        """Bring the lab to what a plan says, touching only what differs; return what that changed.

        `dry`: what it would change. Raises UsageError where that takes a new start, and what a step failed
        with where one fails; then nothing was changed.
        """
        _check_programs(plan)
        changes = self._session.apply(plan, dry=dry)
        self.info = self._ask()
        return changes

    def wires(self) -> dict[str, Any]:
        """Return the lab's `cables`, each with its `wire` and what that `counted`, and what was `lost`."""
        return self._session.wires()

    def wire(
        self, node: str, *words: str, interface: str | None = None, ways: Sequence[str] = ("sent", "received")
    ) -> list[Change]:
        """Give a node's cable a wire while packets pass, as `wire("web", "loss=5%", "drop 2nd tcp data")`.

        Without words it is taken away. `interface` is wanted where the node has several; `ways` are the
        directions that it is about. Raises UsageError, or InputError for a step, where that cannot be.
        """
        self._known(node)
        return self._session.wire(Rewire(node, words, interface, tuple(ways)))

    def lease(self) -> Lease:
        """Return what becomes readable when the lab has ended."""
        return self._session.lease()

    def finish(self) -> None:
        """Complete the record; ServiceError where a service had ended before its time."""
        for ended in self._session.finish():
            status = ended["status"]
            if "how" in ended:
                raise ServiceError(f"{ended['who']} {ended['how']}", ended["hint"])
            if status is None:  # a container's, whose status is the engine's to know
                how = "ended"
            elif status < 0:
                how = f"was killed by {signal.Signals(-status).name}"
            else:
                how = f"ended with status {status}"
            raise ServiceError(f"{ended['who']} {how} while the lab ran", "its log ends so", ended["log"])

    def stop(self) -> None:
        """End the lab: when this returns, its end is certain, and milliseconds later nothing is left."""
        self._session.close()
        if self._record is not None:
            with contextlib.suppress(OSError):
                os.close(self._record.lock)
            self._record = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def _known(self, node: str) -> None:
        if node not in self.nodes:
            raise UsageError(f"lab {self.info['name']} has no node {node!r}", did_you_mean(node, self.nodes))

    def _environment(self, node: str, given: Mapping[str, str] | None) -> dict[str, str]:
        """Return all the variables of a command; in a container, PATH is left to its image."""
        if self.shares_machine:
            variables = _environment_here(os.environ if given is None else given)
            if self.info["out"]:
                variables["NETLAB_OUT"] = self.info["out"]
        else:
            variables = _environment_of_terminal() if given is None else dict(given)
        return variables | {
            "NETLAB_LAB": self.info["name"],
            "NETLAB_NODE": node,
            "NETLAB_SEED": str(self.info["seed"]),
        }


def _environment_here(base: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for a node that has the machine's programs."""
    variables = {name: value for name, value in base.items() if name not in _DROPPED}
    here = str(Path(sys.executable).parent)
    path = variables.get("PATH", os.defpath)
    # Debian leaves these out of an ordinary user's PATH, and tcpdump and ip are there.
    known = [*path.split(os.pathsep), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    variables["PATH"] = os.pathsep.join(dict.fromkeys([here, *known]))
    return variables


def _environment_of_terminal() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if name in _OF_A_TERMINAL or name.startswith("LC_")
    }


def end(running: Running) -> None:
    """End a command: SIGTERM, and SIGKILL for one that does not heed it."""
    running.signal(signal.SIGTERM)
    try:
        running.wait(_GRACE_SECONDS)
    except TimeLimitError:
        running.signal(signal.SIGKILL)
        running.wait(_GRACE_SECONDS)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint: the nearest of the known words, or all of them."""
    listed = list(known)
    near = difflib.get_close_matches(word, listed, 1)
    return f"did you mean {near[0]!r}?" if near else f"there is {', '.join(listed)}"


def start(
    plan: Plan, *, record: Record | None = None, warm: bool = False, visible: Sequence[Path] = ()
) -> Lab:
    """Start a lab, by the plan's backend, that ends with `stop`, this process, or the thread that called.

    `warm` imports Scapy while the lab comes up; `visible` are paths under /tmp or /run that it must see.
    Raises MachineError where the machine does not allow it, LabError where it does not come up.
    """
    _check_programs(plan)
    out = record.path if record is not None else None
    request = Request(plan, out, warm, (*visible, *_content(plan)))
    return Lab(backends.find(plan.backend).start(request), plan.backend, record)


def start_detached(
    plan: Plan, name: str, *, record: Record | None = None, visible: Sequence[Path] = ()
) -> None:
    """Start a lab that runs until `attach(name).stop()`; UsageError where one of that name runs.

    The lab holds the record from then on, and this process no longer does.
    """
    _check_programs(plan)
    out, lock = (record.path, record.lock) if record is not None else (None, None)
    request = Request(plan, out, visible=(*visible, *_content(plan)))
    holds = backends.find(plan.backend).start_detached(request, name, lock=lock)
    if record is not None:
        if not holds:
            record.lend(plan.backend, name)
        os.close(record.lock)


def attach(name: str | None = None) -> Lab:
    """Find a lab that runs; without a name, the only one. UsageError where that is not to be had."""
    if name is None:
        found = running()
        if not found:
            raise UsageError("no lab is running", "start one with `netlab up TOPOLOGY`")
        if len(found) > 1:
            raise UsageError(f"several labs are running: {', '.join(found)}", "choose one with --lab NAME")
        (name,) = found
    for backend in backends.BACKENDS:
        made = backends.find(backend)
        if name in made.names():
            try:
                return Lab(made.attach(name), backend)
            except LabError:
                if not _goes(made, name):
                    raise
    raise UsageError(f"no lab named {name!r} is running", "`netlab ps` lists those that do")


def _goes(backend: Backend, name: str) -> bool:
    """Say whether a lab that gave no answer is one that is ending; its name may outlast it by a moment."""
    deadline = time.monotonic() + _GRACE_SECONDS
    while name in backend.names():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def running() -> list[str]:
    """Return the names of this user's labs that outlive the command that started them."""
    return sorted({name for backend in backends.BACKENDS for name in backends.find(backend).names()})


def _check_programs(plan: Plan) -> None:
    """Raise MachineError where this machine lacks a server that nodes are to run; an image has its own."""
    from netlab.lab import engines

    if plan.backend not in BACKENDS_WITH_IMAGES:
        engines.require(plan)


def _content(plan: Plan) -> list[Path]:
    """Return the directories that the plan's services serve."""
    from netlab.topology.model import HttpService

    services = (service for node in plan.nodes for service in node.services)
    return [service.content for service in services if isinstance(service, HttpService)]
