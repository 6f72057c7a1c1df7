"""Decide: from a topology to a plan, without touching the machine."""

from __future__ import annotations

from netlab.plan.model import Plan
from netlab.topology.model import Topology

__all__ = ["make_plan"]


def make_plan(topology: Topology, *, seed: int | None = None, backend: str | None = None) -> Plan:
    """Decide all that a lab will be; `seed` and `backend` take the place of the topology's own.

    Raises UsageError where there is no such backend, InputError where it lacks what a node asks for.
    """
    from netlab.plan.planner import plan

    seed = topology.seed if seed is None else seed
    return plan(topology, seed, topology.backend if backend is None else backend)
