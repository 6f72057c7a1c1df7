"""What programs that serve in a lab are given, for the eye and for a program; builtin engines need none."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from netlab.plan.model import Plan, PlannedNode
from netlab.services.engines import program
from netlab.services.programs import Program
from netlab.topology.model import Service


def _programs(plan: Plan) -> Iterator[tuple[PlannedNode, Service, Program]]:
    for node in plan.nodes:
        for service in node.services:
            engine = program(service)
            if engine is not None:
                yield node, service, engine.describe(service, node)


def text(plan: Plan) -> str:
    """Return every file under its path, below the command that reads it."""
    lines: list[str] = []
    for node, service, told in _programs(plan):
        lines += [f"# {node.name}, {service.kind}: {shlex.join(told.argv)}"]
        lines += [f"# {path} -> {target}" for path, target in told.links]
        lines += [f"# {path}: made at the start" for path in told.made]
        for path, content in told.files:
            lines += ["", f"==> {path} <==", content.rstrip("\n")]
        lines.append("")
    return (
        "\n".join(lines) or "# no service of this lab is a program of the machine's: nothing needs a file\n"
    )


def data(plan: Plan) -> list[dict[str, Any]]:
    """Return the same as JSON has it."""
    return [
        {
            "node": node.name,
            "service": service.kind,
            "engine": service.engine,
            "argv": list(told.argv),
            "files": dict(told.files),
            "links": dict(told.links),
            "made": list(told.made),
            "environment": dict(told.environment),
        }
        for node, service, told in _programs(plan)
    ]
