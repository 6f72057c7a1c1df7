"""What an apply refuses before it touches anything."""

from __future__ import annotations

from dataclasses import replace

from netlab.backends.inside import altering, startup
from netlab.backends.inside.standing import Standing
from netlab.errors import LabError, UsageError
from netlab.kernel import nft, nft_swap
from netlab.plan.changes import Comparison
from netlab.plan.model import PlannedNode
from netlab.plan.restarts import services_of
from netlab.topology.model import HttpService, Service
from netlab.wiring import check_ipv6, check_netem

_NEW_START = "end the lab and start it again: netlab down, netlab up"


def check(lab: Standing, comparison: Comparison) -> None:
    """Raise UsageError, MachineError or LabError for what is known to stand in the way."""
    before = {node.name: node for node in lab.request.plan.nodes}
    check_ipv6(comparison.new)
    check_netem(comparison.new)
    if not lab.grows:
        _check_containers(before, comparison)
    for node in comparison.new.nodes:
        old = before.get(node.name)
        if (old.nft if old else None) != node.nft:
            nft.program()
            if old and lab.nodes[node.name].nft.mingled:
                raise nft_swap.mingles(node.name)
        if old and node.provisions.limits.processes != old.provisions.limits.processes:
            startup.check_processes(replace(lab.nodes[node.name], plan=node))
        for name, service in services_of(node).items():
            if old is None or services_of(old).get(name) != service:
                _check_service(lab, node, service)


def _check_containers(before: dict[str, PlannedNode], comparison: Comparison) -> None:
    """Raise UsageError where containers would have to be made, or to forget files."""
    if nodes := [change for change in comparison.changes if change.aspect == "node"]:
        what = f"nodes that are containers cannot be added or removed while the lab runs: {nodes[0]}"
        raise UsageError(what, _NEW_START)
    for node in comparison.new.nodes:
        given = (before[node.name].provisions.files, node.provisions.files)
        if altering.paths(given[0]) != altering.paths(given[1]):
            what = f"node {node.name} is a container, whose files can change, but not come and go"
            raise UsageError(what, _NEW_START)


def _check_service(lab: Standing, node: PlannedNode, service: Service) -> None:
    """Raise MachineError for a server that is not there, LabError for content that the lab does not see.

    What it sees was decided when it started; a container is brought its content.
    """
    # Nodes that can be added have the machine's programs, as any other has.
    lab.serving.require(lab.nodes.get(node.name) or next(iter(lab.nodes.values())), service)
    if isinstance(service, HttpService) and lab.grows and not service.content.is_dir():
        what = f"the lab does not see {service.content}, which the http service of {node.name} is to serve"
        raise LabError(what, f"put it below the directory that the lab was started in, or {_NEW_START}")
