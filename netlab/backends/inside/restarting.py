"""The services that start, end, or end and start again while a lab goes on, and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from netlab.backends.inside import daemons
from netlab.backends.inside.ending import end_daemons
from netlab.backends.inside.nodes import NodeSpace
from netlab.backends.inside.serving import Launch
from netlab.backends.inside.standing import Standing
from netlab.plan.model import PlannedNode
from netlab.plan.restarts import needs_restart, services_of

_Serving: TypeAlias = tuple[NodeSpace, PlannedNode, str]  # a service by its name, with what its node is then


@dataclass(slots=True)
class Services:
    """Those of a lab that differ; `stay` are the nodes in both plans, with what they were and will be."""

    lab: Standing
    stay: Sequence[tuple[NodeSpace, PlannedNode, PlannedNode]]
    stopped: list[_Serving] = field(default_factory=list)
    launched: list[Launch] = field(default_factory=list)

    def stop(self) -> None:
        """End those of the old plan that are others, or none, in the new one."""
        ending = []
        for node, old, new in self.stay:
            for name in services_of(old):
                ends = name not in services_of(new) or needs_restart(old, new, name)
                if ends and (daemon := self._running(old.name, name)) is not None:
                    self.stopped.append((node, old, name))
                    ending.append(daemon)
        end_daemons(ending)

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
        self._launch(self.stopped, self.lab.nodes)

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
        self._launch(wanted, {**self.lab.nodes, **added})

    def _launch(self, wanted: Sequence[_Serving], nodes: Mapping[str, NodeSpace]) -> None:
        served = [(node, services_of(planned)[name]) for node, planned, name in wanted]
        launch = Launch(self.lab.serving, nodes, served, anew=False)
        self.launched.append(launch)
        daemons.wait_ready({daemon.ready: daemon for daemon in launch.begin()})
        self.lab.services |= launch.wait()

    def stop_again(self) -> None:
        """End those that `start` has started."""
        started = [daemon for launch in self.launched for daemon in launch.daemons]
        for daemon in started:
            self.lab.services.pop(daemon.pid, None)
        end_daemons(started)
        self.launched = []
