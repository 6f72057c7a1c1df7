"""Decide: from a topology to a plan, without touching the machine."""

from __future__ import annotations

from collections.abc import Mapping

from netlab.plan.model import Plan
from netlab.topology.model import Topology

__all__ = ["make_plan"]


def make_plan(
    topology: Topology,
    *,
    seed: int | None = None,
    backend: str | None = None,
    engines: Mapping[str, str] | None = None,
) -> Plan:
    """Decide all that a lab will be; `seed` and `backend` take the place of the topology's own.

    So do `engines`, by the kind of service: {"http": "nginx"}. Raises UsageError where there is no such
    backend or engine, InputError where it lacks what a node asks for.
    """
    from netlab.plan.engines import check_images, with_engines
    from netlab.plan.planner import plan

    if engines:
        topology = with_engines(topology, engines)
    seed, backend = topology.seed if seed is None else seed, topology.backend if backend is None else backend
    planned = plan(topology, seed, backend)
    check_images(topology, backend)
    return planned
