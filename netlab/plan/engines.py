"""Engines for one run in the place of the topology's own, and what engines ask of a backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from netlab.errors import Fault, InputError, Place, UsageError
from netlab.topology import engines
from netlab.topology.model import DnsService, ExecService, HttpService, Node, Service, Topology
from netlab.topology.values import suggest
from netlab.topology.vocabulary import BACKENDS_WITH_IMAGES, ENGINES


def with_engines(topology: Topology, chosen: Mapping[str, str]) -> Topology:
    """Return the topology with another engine for each service of a kind.

    UsageError for a kind or an engine that there is not, InputError where the engine cannot do what the
    topology asks of it.
    """
    kinds = {service.kind for node in topology.nodes for service in node.services}
    for kind, engine in chosen.items():
        option = f"--engine {kind}={engine}"
        if kind not in ENGINES:
            raise UsageError(f"{option}: there are no engines for {kind!r}", suggest(kind, ENGINES))
        if engine not in ENGINES[kind]:
            what = f"{option}: there is no engine {engine!r} for {kind}"
            raise UsageError(what, suggest(engine, ENGINES[kind]))
        if kind not in kinds:
            raise UsageError(f"{option}: no node of lab {topology.name} has a service {kind}", "leave it out")
    nodes = tuple(
        replace(node, services=tuple(_with(service, chosen) for service in node.services))
        for node in topology.nodes
    )
    faults = [fault for node in nodes for fault in _faults(topology, node)]
    if faults:
        raise InputError(faults)
    return replace(topology, nodes=nodes)


def _with(service: Service, chosen: Mapping[str, str]) -> Service:
    if isinstance(service, ExecService):
        return service
    engine = chosen.get(service.kind, service.engine)
    if engine == service.engine:
        return service
    # What is written for one server says nothing to another.
    return replace(service, engine=engine, config=None)


def _faults(topology: Topology, node: Node) -> Iterator[Fault]:
    """Yield what a node's engines cannot do; what the file itself names was checked when it was loaded."""
    for service in node.services:
        for word in engines.asked_of(service):
            if found := engines.inability(service.kind, service.engine, word):
                yield Fault(_place(topology, f"{node.name}.{service.kind}.{word}"), *found)
        if found := engines.unfit(service):
            yield Fault(_place(topology, f"{node.name}.{service.kind}"), *found)


def check_images(topology: Topology, backend: str) -> None:
    """Raise InputError where a node needs an image that has its engine, and names none."""
    if backend not in BACKENDS_WITH_IMAGES:
        return
    faults = [
        Fault(
            _place(topology, f"{node.name}.{service.kind}"),
            f"netlab's own image has no {service.engine}, which is to serve {service.kind} in {node.name!r}",
            f"write image: and one that has it, below {node.name}:, or engine: builtin",
        )
        for node in topology.nodes
        for service in node.services
        if isinstance(service, DnsService | HttpService)
        and service.engine != "builtin"
        and node.image is None
    ]
    if faults:
        raise InputError(faults)


def _place(topology: Topology, path: str) -> Place:
    """Return where something stands in the file, or what it belongs to; else the file's beginning."""
    while path and path not in topology.places:
        path = path.rpartition(".")[0]
    return topology.places.get(path) or Place(str(topology.source or topology.name), 1, 1)
