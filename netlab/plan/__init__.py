"""Decide: from a topology to a plan, without touching the machine."""

from __future__ import annotations

from netlab.plan.model import Plan
from netlab.topology.model import Topology

__all__ = ["make_plan"]


def make_plan(topology: Topology, *, seed: int | None = None) -> Plan:
    """Decide all that a lab will be; `seed` takes the place of the topology's own."""
    from netlab.plan.planner import plan

    return plan(topology, topology.seed if seed is None else seed)
