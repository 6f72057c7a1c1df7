"""The labs of the differential tests: a client, a builtin server, and a real one with the same to serve."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from netlab import lab
from netlab.lab import Lab
from netlab.plan import make_plan
from netlab.services.engines import program
from netlab.topology.given import Config
from netlab.topology.model import DnsService, HttpService, Interface, Network, Node, Service, Topology

CLIENT = "10.0.0.1"
BUILTIN = "10.0.0.2"
REAL = "10.0.0.3"
MODULE = Path(__file__).with_name("exchange.py")

# What is a policy, and not the protocol, is set to what the builtin server does: RRsets of any size, no
# authority section beside an answer, a denied SOA's own TTL; nginx hears what is under way as it closes.
POLICIES = {
    "bind9": (
        "options {",
        "max-records-per-type 0; minimal-responses no-auth; zero-no-soa-ttl no; no-case-compress { any; };",
    ),
    "nginx": ("http {", "lingering_close always; lingering_timeout 200ms;"),
}
REAL_ENGINES = {"dns": "bind9", "http": "nginx"}


def _node(name: str, address: str, *services: Service) -> Node:
    return Node(name, (Interface("eth0", "lan", IPv4Address(address)),), services)


def both(service: DnsService | HttpService, *, real: bool = True) -> Topology:
    """Ask for a lab of a client and two servers of the same, the builtin one and, if wanted, the real one."""
    nodes = [_node("client", CLIENT), _node("builtin", BUILTIN, service)]
    if real:
        nodes.append(_node("real", REAL, replace(service, engine=REAL_ENGINES[service.kind])))
    return Topology("differential", 1, (Network("lan", IPv4Network("10.0.0.0/24")),), tuple(nodes))


def alike(service: DnsService | HttpService) -> Topology:
    """Ask for both, the real one with its policies: beside these its configuration is the generated one."""
    asked = both(service)
    planned = make_plan(asked).node("real")
    (served,) = planned.services
    engine = program(served)
    assert engine is not None
    (_, generated), *_ = engine.describe(served, planned).files
    block, policy = POLICIES[engine.name]
    assert generated.count(block) == 1
    config = Config(generated.replace(block, f"{block}\n{policy}"), "the generated one, and policies")
    *others, node = asked.nodes
    return replace(asked, nodes=(*others, replace(node, services=(replace(served, config=config),))))


class Client:
    """The process in the client's node that sends what it is told, to both servers: exchange.py."""

    def __init__(self, running: Lab) -> None:
        questions, self._questions = os.pipe()
        self._answers, answers = os.pipe()
        self._running = running.launch("client", [sys.executable, str(MODULE)], stdio=(questions, answers, 2))
        os.close(questions)
        os.close(answers)
        self._to = os.fdopen(self._questions, "w")
        self._from = os.fdopen(self._answers)

    def exchange(self, kind: str, messages: Mapping[str, Iterable[bytes]]) -> dict[str, Any]:
        """Return what each address answers to its messages: hexadecimal, as exchange.py has it."""
        wanted = {address: [one.hex() for one in each] for address, each in messages.items()}
        print(json.dumps({"kind": kind, "messages": wanted}), file=self._to, flush=True)
        line = self._from.readline()
        assert line, "the client in the lab has ended"
        told: dict[str, Any] = json.loads(line)
        return told

    def close(self) -> None:
        """End it."""
        self._to.close()
        self._from.close()
        self._running.wait(30)
        self._running.close()


@contextmanager
def client_of(service: DnsService | HttpService, *visible: Path) -> Iterator[Client]:
    """Start the lab, and yield the client in it."""
    with lab.start(make_plan(alike(service)), visible=visible) as running:
        client = Client(running)
        try:
            yield client
        finally:
            client.close()
