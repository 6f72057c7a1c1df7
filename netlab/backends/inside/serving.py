"""A node's services: each is started, known to be ready, and started again here; `ending` ends them.

The builtin engines are forks of this process (`daemons`); all others are programs (`programs`).
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias

from netlab.backends.inside import daemons, errands, programs, signing, startup, trust
from netlab.backends.inside.daemons import Daemon
from netlab.backends.inside.nodes import NodeSpace
from netlab.backends.inside.startup import Surroundings
from netlab.errors import LabError, MachineError, ServiceError
from netlab.kernel import files, process
from netlab.plan.model import PlannedNode
from netlab.services.engines import program
from netlab.services.programs import READY_SECONDS
from netlab.services.programs import Program as Told
from netlab.topology.model import DnsService, ExecService, Service

RECORD = "services.json"  # in a run's record: who served, by node and service
_SOON_SECONDS = 10.0  # who ends so soon after its start is started again with patience
_MOST_PATIENCE = 5.0


def log_of(logs: Path, node: PlannedNode, service: Service) -> Path:
    """Return the path of a service's log, one of those in `logs`."""
    # No node's name has a dot: so it is no other's.
    name = f".{service.name}" if isinstance(service, ExecService) else f"-{service.kind}"
    return logs / f"{node.name}{name}.log"


Serving: TypeAlias = tuple[NodeSpace, Service]


@dataclass(slots=True)
class Services:
    """What serves in a lab: `versions` are those of the programs, by image and engine."""

    around: Surroundings
    versions: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def require(self, node: NodeSpace, service: Service) -> None:
        """Note the version of a service's program, once; MachineError where it is not there."""
        engine = program(service)
        key = (node.plan.image or "", service.engine)
        if engine is None or key in self.versions:
            return
        variables = startup.environment(node, self.around)
        status, said = errands.run(node, engine.asking, "/", variables)
        if status == process.NOT_FOUND:
            where = f"image {node.plan.image}" if node.plan.image else "this machine"
            what = f"node {node.plan.name} is to serve {service.kind} with {engine.name}, and {where} has no "
            hint = "name an image that has it, or choose another engine"
            raise MachineError(what + engine.program, hint)
        self.versions[key] = engine.version_in(said)

    def engines(self, node: PlannedNode) -> dict[str, dict[str, str | None]]:
        """Return what serves in a node, by service: engine, and version of what is no part of netlab."""
        return {
            one.called: {"engine": one.engine, "version": self.versions.get((node.image or "", one.engine))}
            for one in node.services
        }

    def record(self, out: Path, nodes: Iterable[PlannedNode]) -> None:
        """Write who serves what to the record; LabError where that fails."""
        told = {node.name: self.engines(node) for node in nodes if node.services}
        try:
            files.replace(out / RECORD, json.dumps(told, indent=1) + "\n")
        except OSError as error:
            hint = "make room, or choose --out DIR"
            raise LabError(f"cannot write to {out / RECORD}: {error.strerror}", hint) from error


@dataclass(slots=True)
class Launch:
    """The start of some services, `wanted`, in a lab with these nodes: `daemons` is what runs of them.

    `anew`: zones that are signed get new keys; else they keep theirs.
    """

    services: Services
    nodes: Mapping[str, NodeSpace]
    wanted: Sequence[Serving]
    anew: bool = True
    waiting: list[programs.Waiting] = field(default_factory=list)
    daemons: list[Daemon] = field(default_factory=list)

    def begin(self) -> list[Daemon]:
        """Start them all; return those that say on their pipes when they are ready."""
        for node, service in self.wanted:
            self.services.require(node, service)
        for node, service in self.wanted:
            write_files(node, service)
        self._sign()
        saying = []
        try:
            for node, service in self.wanted:
                daemon, waiting = start(node, service, self.services.around)
                self.daemons.append(daemon)
                if waiting is None:
                    saying.append(daemon)
                else:
                    self.waiting.append(waiting)
        except BaseException:
            for daemon in self.daemons:  # nobody waits for them any more
                os.close(daemon.ready)
            raise
        return saying

    def wait(self) -> dict[int, Daemon]:
        """Wait until the programs serve; return all daemons that run on, by process.

        Raises ServiceError with its last words for one that ends, or is not ready in its time.
        """
        for waiting in self.waiting:
            try:
                goes_on = waiting.until_ready()
            except ServiceError as error:
                raise _explained(error, waiting.job) from error
            if not goes_on:
                self.daemons.remove(waiting.daemon)
        told = ((node.plan.name, _told(node, service)) for node, service in self.wanted)
        trust.believe(self.nodes, {name: one.authority for name, one in told if one and one.authority})
        return {daemon.pid: daemon for daemon in self.daemons}

    def _sign(self) -> None:
        """Sign what is to be signed, and tell the keys to those who are to believe them."""
        names = {
            node.plan.name
            for node, service in self.wanted
            if isinstance(service, DnsService) and (service.dnssec or service.anchors)
        }
        if names:
            around = self.services.around
            environments = {name: startup.environment(self.nodes[name], around) for name in names}
            signing.sign(self.nodes, environments, anew=self.anew)


def _told(node: NodeSpace, service: Service) -> Told | None:
    engine = program(service)
    return None if engine is None else engine.describe(service, node.plan)


def write_files(node: NodeSpace, service: Service) -> None:
    """Write what a service's program reads, and remove what it is not to find; LabError where that fails."""
    if (told := _told(node, service)) is not None:
        errands.write(node, told.files, told.links, without=told.fresh)


# -- one service ---------------------------------------------------------------------------------------


def start(node: NodeSpace, service: Service, around: Surroundings) -> tuple[Daemon, programs.Waiting | None]:
    """Start a service, whose files are there; return what waits for it, too, unless it says that it is ready.

    Raises ServiceError where a port that it needs is open already.
    """
    log = log_of(around.logs, node.plan, service)
    job = _job(node, service, log, around)
    if job is None:
        return daemons.launch_service(node, service, log), None
    job.check_ports()
    daemon = job.launch()
    if isinstance(service, ExecService):
        _keep(daemon, node, service, around)
    return daemon, programs.Waiting.begun(job, daemon)


def _job(node: NodeSpace, service: Service, log: Path, around: Surroundings) -> programs.Job | None:
    """Return what starts a service that is a program."""
    who = daemons.service_of(node.plan.name, service.called)
    if isinstance(service, ExecService):
        return startup.job(node, service.startup, who, log, around, limited=False)
    told = _told(node, service)
    if told is None:
        return None
    variables = startup.environment(node, around) | dict(told.environment)
    return programs.Job(
        node,
        who,
        told.argv,
        variables,
        log,
        told.ready,
        READY_SECONDS,
        told.directory,
        told.trouble,
        told.explain,
    )


def _explained(error: ServiceError, job: programs.Job) -> ServiceError:
    """Return an error with what its program itself has not said, if something else says it."""
    if not job.explain:
        return error
    status, said = errands.run(job.node, job.explain, job.directory, job.environment)
    return ServiceError(error.what, error.hint, (*error.log, *said.splitlines())) if status else error


def _keep(
    daemon: Daemon, node: NodeSpace, service: ExecService, around: Surroundings, after: float = 0.0
) -> None:
    """Let a daemon, which begins `after` seconds, be started again and be ended as its service wants it."""
    daemon.stop = signal.Signals[f"SIG{service.stop}"]
    daemon.may_end = service.restart == "on-failure"
    if service.restart != "never":
        began = time.monotonic() + after
        daemon.again = partial(_start_again, node, service, around, began, after)


def _start_again(
    node: NodeSpace, service: ExecService, around: Surroundings, began: float, patience: float, status: int
) -> Daemon | None:
    """Start a service again that has ended with a status, if it is to be; with ever more patience."""
    if status == 0 and service.restart != "always":
        return None
    soon = time.monotonic() - began < _SOON_SECONDS
    after = min(_MOST_PATIENCE, max(0.1, 2 * patience)) if soon else 0.0
    how = f"ended with status {status}" if status >= 0 else f"was killed by {signal.Signals(-status).name}"
    job = _job(node, service, log_of(around.logs, node.plan, service), around)
    assert job is not None, "an exec service is a program"
    daemon = job.launch(after=after, saying=f"netlab: it {how}, and is started again")
    os.close(daemon.ready)
    _keep(daemon, node, service, around, after)
    return daemon
