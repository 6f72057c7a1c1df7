"""The shipped nat.yaml, with ordinary clients: who is seen on either side, and what does not pass.

In namespaces and in containers alike, with builtin and with real servers; all that is fetched is fetched in
one lab, before its record is read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from netlab import lab, topology
from netlab.lab.record import claim
from tests.system.engines import Ground, is_logged
from tests.system.harness import PATIENCE, ROOT, requires

pytestmark = requires("curl", "dig", "ip")

PAGE = (ROOT / "topologies" / "www" / "hello.txt").read_text()
CURL = f"exec curl -s -m {PATIENCE:g}"
# name → the node, and a shell's line in it
FETCHES = {
    # Nobody answers there: that comes back as an ICMP error, long before its time is up.
    "a closed port": ("client", f"exec dig +tries=1 +time={PATIENCE:g} @192.0.2.80 www.lab.test"),
    "out": ("client", f"{CURL} http://www.lab.test/hello.txt"),
    "in": ("visitor", f"{CURL} http://home.lab.test:8080/hello.txt"),
    "another port": ("visitor", f"{CURL} http://home.lab.test:8081/"),
    "visitor, by no route": ("visitor", f"{CURL} http://10.0.0.80/hello.txt"),
    "web, by no route": ("web", f"{CURL} http://10.0.0.80/hello.txt"),
    # Nobody answers it: it is waited for no longer than it takes to be sent twice.
    "by a route": ("visitor", "ip route add 10.0.0.0/24 via 192.0.2.1; exec curl -s -m 2 http://10.0.0.10/"),
}


@dataclass(frozen=True)
class Visits:
    """What curl said of each fetch, its exit status and the page, and what was recorded of all of them."""

    said: dict[str, tuple[int, str]]
    out: Path

    @property
    def rules(self) -> dict[str, int]:
        """How often each of the router's rules matched."""
        rules: dict[str, int] = json.loads((self.out / "kernel.json").read_text())["router"]["rules"]
        return rules

    def log(self, service: str) -> str:
        """Return what a service logged."""
        return (self.out / "logs" / f"{service}.log").read_text()


@pytest.fixture(scope="module")
def visits(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Visits:
    """Fetch all that is fetched."""
    record = claim(tmp_path_factory.mktemp("nat") / "out", "nat")
    plan = ground.plan(topology.load(ROOT / "topologies" / "nat.yaml"))
    said = {}
    with lab.start(plan, record=record) as running:
        for name, (node, line) in FETCHES.items():
            done = running.output(node, ["sh", "-c", line])
            said[name] = (done.returncode, done.stdout)
        running.finish()
    return Visits(said, record.path)


def test_the_server_sees_the_router(visits: Visits) -> None:
    """From inside to outside: the page comes, and the server's log has the router's outer address."""
    assert visits.said["out"] == (0, PAGE)
    assert is_logged(visits.log("web-http"), "192.0.2.1", "/hello.txt", 200)
    assert "10.0.0.10" not in visits.log("web-http")
    # Its DNS questions, from one port, its connection, and its question to the closed port.
    assert visits.rules["masquerade-outside"] == 3


def test_an_error_finds_its_way_back(visits: Visits) -> None:
    """What an outer host says of a packet from inside, as traceroute needs it, is let through as related."""
    status, said = visits.said["a closed port"]
    assert (status, "connection refused" in said) == (9, True)


def test_a_forwarded_port_leads_inside(visits: Visits) -> None:
    """From outside to inside: the router's port is the inner server's, who sees the visitor's own address."""
    assert visits.said["in"] == (0, PAGE)
    assert is_logged(visits.log("home-http"), "192.0.2.99", "/hello.txt", 200)
    assert visits.rules["forward-tcp-8080"] == 1


@pytest.mark.parametrize("node", ["visitor", "web"])
def test_nobody_outside_knows_a_way_in(visits: Visits, node: str) -> None:
    """The outer hosts have no route to the inside: curl cannot connect."""
    assert visits.said[f"{node}, by no route"] == (7, "")


def test_who_makes_a_route_meets_the_rules(visits: Visits) -> None:
    """A visitor who sends its packets to the router by hand comes as far as the last rule."""
    assert visits.said["by a route"] == (28, "")
    assert visits.rules["anything-else"] >= 1


def test_only_the_forwarded_port_is_forwarded(visits: Visits) -> None:
    """Another port of the router's is its own, and closed."""
    assert visits.said["another port"] == (7, "")
