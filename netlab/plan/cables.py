"""The wires of a plan, told: in words, as data, and as the `tc` commands that netem's would be made with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from netlab.plan.model import PlannedNode, Port
from netlab.topology import steps
from netlab.topology.quantities import RATE_UNITS, chance_words, rate_words, time_words
from netlab.topology.wires import Chance, Wire

_CHANCES = ("duplicate", "reorder", "corrupt")


def rows(node: PlannedNode) -> list[tuple[str, str, str]]:
    """Return what is to be said of a node's cables, as (what, interface, details)."""
    return [("wire", port.interface, words(port.wire, port.node)) for port in node.ports if port.wire]


def words(wire: Wire, node: str) -> str:
    """Say a wire of a cable of that node, as the file says it: the script, chance, seed and engine."""
    script = [steps.words(step, node) for step in wire.script]
    said = script + _chances(wire)
    if not said:
        said.append("changes nothing")
    if wire.seed is not None and _is_seeded(wire):
        said.append(f"seed {wire.seed}")
    return "; ".join(said + ([f"by {wire.engine}"] if wire.engine != Wire().engine else []))


def _chances(wire: Wire) -> list[str]:
    if wire.sent == wire.received:
        return list(filter(None, [_chance_words(wire.sent)]))
    ways = (("sent", wire.sent), ("received", wire.received))
    return [f"{name}: {said}" for name, way in ways if (said := _chance_words(way))]


def _is_seeded(wire: Wire) -> bool:
    """Say whether anything of a wire is left to chance."""
    return any(replace(way, delay=0.0, rate=None) != Chance() for way in (wire.sent, wire.received))


def _chance_words(chance: Chance) -> str:
    said = [f"loss {chance_words(chance.loss)}"] if chance.loss else []
    if burst := chance.burst:
        said.append(f"loss in bursts (enter {chance_words(burst.enter)}, leave {chance_words(burst.leave)}")
        said[-1] += f", bad {chance_words(burst.bad)}" if burst.bad != 1 else ""
        said[-1] += (f", good {chance_words(burst.good)}" if burst.good else "") + ")"
    if chance.delay:
        jitter = f" ± {time_words(chance.jitter)}" if chance.jitter else ""
        said.append(f"delay {time_words(chance.delay)}{jitter}")
    said += [f"rate {rate_words(chance.rate)}"] if chance.rate is not None else []
    given = ((name, getattr(chance, name)) for name in _CHANCES)
    return ", ".join(said + [f"{name} {chance_words(value)}" for name, value in given if value])


def data(wire: Wire, node: str) -> dict[str, Any]:
    """Return a wire as JSON has it: times in seconds, the rate in bits a second, chances from 0 to 1."""
    return {
        "script": [steps.words(step, node) for step in wire.script],
        "sent": asdict(wire.sent),
        "received": asdict(wire.received),
        "seed": wire.seed,
        "engine": wire.engine,
    }


def commands(port: Port, fabric: str) -> Iterator[str]:
    """Yield what makes the wire of a port: netem's commands, or a comment on what netlab does itself."""
    if port.wire is None:
        return
    if port.wire.engine != "netem":
        yield f"# Here netlab carries each packet between {port.interface} and the switch itself:"
        yield f"# {words(port.wire, port.node)}."
        return
    for namespace, interface, chance in (
        (port.node, port.interface, port.wire.sent),
        (fabric, port.port, port.wire.received),
    ):
        if options := _netem(chance):
            yield f"tc -n {namespace} qdisc add dev {interface} root netem {options}"


def _netem(chance: Chance) -> str:
    """Return netem's options, in tc's own order (tc-netem(8)); they act on what leaves an interface."""
    said = []
    if chance.delay:
        jitter = f" {_tc_time(chance.jitter)}" if chance.jitter else ""
        said.append(f"delay {_tc_time(chance.delay)}{jitter}")
    said += [f"loss random {chance_words(chance.loss)}"] if chance.loss else []
    if burst := chance.burst:
        chances = (burst.enter, burst.leave, burst.bad, burst.good)
        said.append(f"loss gemodel {' '.join(map(chance_words, chances))}")
    given = ((name, getattr(chance, name)) for name in ("corrupt", "duplicate", "reorder"))
    said += [f"{name} {chance_words(value)}" for name, value in given if value]
    if chance.rate is not None:
        said.append(f"rate {chance.rate / RATE_UNITS['kbit/s']:.10g}kbit")
    return " ".join(said)


def _tc_time(seconds: float) -> str:
    return time_words(seconds).replace(" ", "")
