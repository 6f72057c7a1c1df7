"""The services that start, end, or end and start again while a lab goes on, and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from netlab.backends.inside import building, daemons
from netlab.backends.inside.ending import end_daemon
from netlab.backends.inside.nodes import NodeSpace
from netlab.plan.changes import needs_restart, services_of
from netlab.plan.model import PlannedNode

if TYPE_CHECKING:
    from netlab.backends.inside.supervisor import Supervisor

_Serving: TypeAlias = tuple[NodeSpace, PlannedNode, str]  # a service by its name, with what its node is then


@dataclass(slots=True)
class Services:
    """Those of a lab that differ; `stay` are the nodes in both plans, with what they were and will be."""

    lab: Supervisor
    stay: Sequence[tuple[NodeSpace, PlannedNode, PlannedNode]]
    stopped: list[_Serving] = field(default_factory=list)
    started: list[daemons.Daemon] = field(default_factory=list)

    def stop(self) -> None:
        """End those of the old plan that are others, or none, in the new one."""
        for node, old, new in self.stay:
            for name in services_of(old):
                ends = name not in services_of(new) or needs_restart(old, new, name)
                if ends and (daemon := self._running(old.name, name)) is not None:
                    self.stopped.append((node, old, name))
                    end_daemon(daemon)

    def _running(self, node: str, name: str) -> daemons.Daemon | None:
        """Take a service from those that the lab keeps; None where it has ended by itself."""
        services = self.lab.services
        who = daemons.service_of(node, name)
        pid = next((pid for pid, daemon in services.items() if daemon.who == who), None)
        return services.pop(pid) if pid is not None else None

    def start_again(self) -> None:
        """Start those that were ended, as they were."""
        for node, old, _ in self.stopped:
            node.plan = old
        self._launch(self.stopped)

    def start(self, added: Mapping[str, NodeSpace]) -> None:
        """Start those of the new plan that are others, or none, in the old one, until all are ready.

        `added` are the nodes that only the new plan has.
        """
        wanted: list[_Serving] = [
            (node, new, name)
            for node, old, new in self.stay
            for name in services_of(new)
            if name not in services_of(old) or needs_restart(old, new, name)
        ]
        wanted += [(node, node.plan, name) for node in added.values() for name in services_of(node.plan)]
        self._launch(wanted)

    def _launch(self, wanted: Sequence[_Serving]) -> None:
        launched = []
        for node, planned, name in wanted:
            service = services_of(planned)[name]
            log = building.log_of(self.lab.logs, planned.name, service.kind)
            daemon = daemons.launch_service(node, service, log)
            launched.append(daemon)
            self.started.append(daemon)
            self.lab.services[daemon.pid] = daemon
        daemons.wait_ready({daemon.ready: daemon for daemon in launched})

    def stop_again(self) -> None:
        """End those that `start` has started."""
        for daemon in self.started:
            self.lab.services.pop(daemon.pid, None)
            end_daemon(daemon)
        self.started = []
