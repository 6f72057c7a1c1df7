"""Where a lab is tried: its backend, and which engines serve in it.

In namespaces the engines are this machine's: tests are skipped when one is not installed, or failed with
NETLAB_REQUIRE_ENGINES=1, as in CI. In containers they come from the node's own image.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from netlab.kernel import programs
from netlab.plan import make_plan
from netlab.plan.engines import with_engines
from netlab.plan.model import Plan
from netlab.topology.model import ExecService, Node, Topology

REQUIRED = "NETLAB_REQUIRE_ENGINES"
IMAGE = "netlab-test/base"  # has them all
PROGRAMS = {
    "builtin": (),
    "bind9": ("named", "dnssec-signzone"),
    "dnsmasq": ("dnsmasq",),
    "nginx": ("nginx",),
    "caddy": ("caddy",),
}


def need(*engines: str) -> None:
    """Skip a test, or fail it, unless all of these engines are here."""
    missing = [name for engine in engines for name in PROGRAMS[engine] if programs.find(name) is None]
    if missing and os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{REQUIRED}=1, and yet not installed: {' '.join(missing)}", pytrace=False)
    if missing:
        pytest.skip(f"not installed: {' '.join(missing)}")


@dataclass(frozen=True)
class Ground:
    """Where a lab is tried: `host` is netns, docker or podman; `engines` replace those of its file."""

    host: str
    engines: Mapping[str, str] = field(default_factory=dict)

    @property
    def backend(self) -> str:
        """The plan's backend: Podman's has another socket."""
        return "netns" if self.host == "netns" else "docker"

    def plan(self, asked: Topology) -> Plan:
        """Plan a topology for here: what it asks for, with these engines."""
        served = with_engines(asked, self._engines_of(asked))
        if self.backend != "netns":
            served = replace(served, nodes=tuple(map(_with_image, served.nodes)))
        return make_plan(served, backend=self.backend)

    def file(self, asked: Topology, directory: Path) -> Path:
        """Write the file of a variation in which the nodes have the images that these engines need."""
        lines = [f"extends: {asked.source}", f"name: {asked.name}", "nodes:"]
        lines += [f"  {node.name}: {{image: {IMAGE}}}" for node in asked.nodes if node.services]
        path = directory / "images.yaml"
        path.write_text("\n".join(lines) + "\n")
        return path

    def options(self, asked: Topology) -> list[str]:
        """Return what the command line is told."""
        chosen = [f"--engine={kind}={name}" for kind, name in self._engines_of(asked).items()]
        return [f"--backend={self.backend}", *chosen]

    def _engines_of(self, asked: Topology) -> dict[str, str]:
        kinds = {service.kind for node in asked.nodes for service in node.services}
        return {kind: name for kind, name in self.engines.items() if kind in kinds}


def _with_image(node: Node) -> Node:
    serving = [one for one in node.services if not isinstance(one, ExecService)]
    return replace(node, image=IMAGE) if any(one.engine != "builtin" for one in serving) else node


BIND_NGINX = {"dns": "bind9", "http": "nginx"}
DNSMASQ_CADDY = {"dns": "dnsmasq", "http": "caddy"}
# All engines in namespaces; in containers, where each lab takes a second and more, one pair of the real ones.
GROUNDS = (
    Ground("netns"),
    Ground("netns", BIND_NGINX),
    Ground("netns", DNSMASQ_CADDY),
    Ground("docker"),
    Ground("docker", DNSMASQ_CADDY),
    Ground("podman"),
)


def called(ground: Ground) -> str:
    """Return what a test's name says of a ground, as docker-dnsmasq-caddy."""
    return "-".join((ground.host, *ground.engines.values()))


def is_logged(log: str, client: str, path: str, status: int) -> bool:
    """Say whether an HTTP server's log has a request, in whatever form."""
    words = [client, path, str(status)]
    return any(
        all(re.search(rf"(?<![\w.]){re.escape(one)}(?![\w])", line) for one in words)
        for line in log.splitlines()
    )
