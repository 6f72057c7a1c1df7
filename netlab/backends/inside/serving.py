"""A node's services: each is started, known to be ready, started again, and asked to end here.

The builtin engines are forks of this process (`daemons`); all others are programs (`programs`).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from netlab.backends.inside import daemons, errands, programs, signing, startup, trust
from netlab.backends.inside.daemons import Daemon
from netlab.backends.inside.nodes import NodeSpace
from netlab.backends.inside.startup import Surroundings
from netlab.errors import LabError, MachineError, ServiceError
from netlab.kernel import files, process
from netlab.plan.model import PlannedNode
from netlab.services.engines import program
from netlab.services.programs import READY_SECONDS, Engine
from netlab.services.programs import Program as Told
from netlab.topology.model import DnsService, ExecService, Service

RECORD = "services.json"  # in a run's record: who served, by node and service
STOP_SECONDS = 2.0
_SOON_SECONDS = 10.0  # who ends so soon after its start is started again with patience
_MOST_PATIENCE = 5.0


def log_of(logs: Path, node: PlannedNode, service: Service) -> Path:
    """Return the path of a service's log, one of those in `logs`."""
    # No node's name has a dot: so it is no other's.
    name = f".{service.name}" if isinstance(service, ExecService) else f"-{service.kind}"
    return logs / f"{node.name}{name}.log"


@dataclass(slots=True)
class Services:
    """All services of a lab as they come up: `daemons` is what runs of them, by its process."""

    around: Surroundings
    nodes: Mapping[str, NodeSpace]
    waiting: list[programs.Waiting] = field(default_factory=list)
    daemons: dict[int, Daemon] = field(default_factory=dict)
    versions: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def launch(self) -> list[Daemon]:
        """Start them all; return those that say on their pipes when they are ready."""
        self._prepare()
        saying = []
        for node in self.nodes.values():
            for service in node.plan.services:
                daemon, waiting = start(node, service, self.around)
                self.daemons[daemon.pid] = daemon
                if waiting is None:
                    saying.append(daemon)
                else:
                    self.waiting.append(waiting)
        return saying

    def wait(self) -> dict[int, Daemon]:
        """Wait until the programs serve; return all daemons that run on.

        Raises ServiceError with its last words for one that ends, or is not ready in its time.
        """
        for waiting in self.waiting:
            try:
                goes_on = waiting.until_ready()
            except ServiceError as error:
                raise _explained(error, waiting.job) from error
            if not goes_on:
                del self.daemons[waiting.daemon.pid]
        served = [(node, service) for node in self.nodes.values() for service in node.plan.services]
        told = ((node.plan.name, _told(node, service)) for node, service in served)
        trust.believe(self.nodes, {name: one.authority for name, one in told if one and one.authority})
        return self.daemons

    def record(self, out: Path) -> None:
        """Write who serves what to the record; LabError where that fails."""
        told = {name: self.engines(name) for name, node in self.nodes.items() if node.plan.services}
        try:
            files.replace(out / RECORD, json.dumps(told, indent=1) + "\n")
        except OSError as error:
            hint = "make room, or choose --out DIR"
            raise LabError(f"cannot write to {out / RECORD}: {error.strerror}", hint) from error

    def engines(self, name: str) -> dict[str, dict[str, str | None]]:
        """Return what serves in a node, by service: engine, and version of what is no part of netlab."""
        node = self.nodes[name].plan
        return {
            one.called: {"engine": one.engine, "version": self.versions.get((node.image or "", one.engine))}
            for one in node.services
        }

    def _prepare(self) -> None:
        """Write what the programs need, see that they are there, and sign what is to be signed."""
        signs = False
        for node in self.nodes.values():
            for service in node.plan.services:
                engine = program(service)
                if engine is not None:
                    self._ask_version(node, service, engine)
                write_files(node, service)
                signs |= isinstance(service, DnsService) and service.dnssec
        if signs:
            around = {name: startup.environment(node, self.around) for name, node in self.nodes.items()}
            signing.sign(self.nodes, around)

    def _ask_version(self, node: NodeSpace, service: Service, engine: Engine) -> None:
        """Note the version of a program, once; MachineError where it is not there."""
        key = (node.plan.image or "", engine.name)
        if key in self.versions:
            return
        variables = startup.environment(node, self.around)
        status, said = errands.run(node, engine.asking, "/", variables)
        if status == process.NOT_FOUND:
            where = f"image {node.plan.image}" if node.plan.image else "this machine"
            what = f"node {node.plan.name} is to serve {service.kind} with {engine.name}, and {where} has no "
            hint = "name an image that has it, or choose another engine"
            raise MachineError(what + engine.program, hint)
        self.versions[key] = engine.version_in(said)


def _told(node: NodeSpace, service: Service) -> Told | None:
    engine = program(service)
    return None if engine is None else engine.describe(service, node.plan)


def write_files(node: NodeSpace, service: Service) -> None:
    """Write what a service's program reads; LabError where that cannot be."""
    if (told := _told(node, service)) is not None:
        errands.write(node, told.files, told.links)


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
        _keep(daemon, job, service)
    return daemon, programs.Waiting.begun(job, daemon)


def _job(node: NodeSpace, service: Service, log: Path, around: Surroundings) -> programs.Job | None:
    """Return what starts a service that is a program."""
    who = f"service {service.called} of node {node.plan.name}"
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


def _keep(daemon: Daemon, job: programs.Job, service: ExecService, after: float = 0.0) -> None:
    """Let a daemon, which begins `after` seconds, be started again and be ended as its service wants it."""
    daemon.stop = signal.Signals[f"SIG{service.stop}"]
    daemon.may_end = service.restart == "on-failure"
    if service.restart != "never":
        daemon.again = partial(_start_again, job, service, time.monotonic() + after, after)


def _start_again(
    job: programs.Job, service: ExecService, began: float, patience: float, status: int
) -> Daemon | None:
    """Start a service again that has ended with a status, if it is to be; with ever more patience."""
    if status == 0 and service.restart != "always":
        return None
    soon = time.monotonic() - began < _SOON_SECONDS
    after = min(_MOST_PATIENCE, max(0.1, 2 * patience)) if soon else 0.0
    how = f"ended with status {status}" if status >= 0 else f"was killed by {signal.Signals(-status).name}"
    daemon = job.launch(after=after, saying=f"netlab: it {how}, and is started again")
    os.close(daemon.ready)
    _keep(daemon, job, service, after)
    return daemon


def stop(ending: Iterable[Daemon]) -> None:
    """Ask those that have a signal for it to end, and wait for that, but not for long."""
    asked = [daemon for daemon in ending if daemon.stop]
    for daemon in asked:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(daemon.pid, daemon.stop)
    process.reap_these([daemon.pid for daemon in asked], STOP_SECONDS)
