"""What the engines of a plan need of this machine, looked for before anything starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netlab.errors import MachineError
from netlab.plan.model import Plan, PlannedNode
from netlab.services.engines import PROGRAMS, program
from netlab.services.programs import Engine
from netlab.topology.model import Service


def require(plan: Plan) -> None:
    """Raise MachineError, with the package that brings it, for a program that this machine lacks."""
    for node in plan.nodes:
        for service in node.services:
            if (service.kind, service.engine) in PROGRAMS:
                _require(node, service)


def _require(node: PlannedNode, service: Service) -> None:
    from netlab.kernel import programs

    engine = program(service)
    assert engine is not None
    for name, packages in _needed(engine, service):
        if programs.find(name) is None:
            wanted = f"node {node.name} is to serve {service.kind} with {engine.name}"
            raise MachineError(f"{wanted}, and this machine has no {name}", _cure(engine, packages))


def _needed(engine: Engine, service: Service) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield engine.program, engine.packages
    for word, helper in engine.helpers.items():
        if getattr(service, word):
            yield helper


def _cure(engine: Engine, packages: Mapping[str, str]) -> str:
    from netlab.kernel import programs

    return f"{bringing(engine, packages, programs.family())}, or choose another engine"


def bringing(engine: Engine, packages: Mapping[str, str], kin: str) -> str:
    """Return what to type, on a distribution of that kin, for a program of an engine's."""
    from netlab.kernel import programs

    package = packages.get(kin, packages[""])
    return f"{programs.installer(kin)} {package}" if package else f"pip install 'netlab-l4[{engine.name}]'"
