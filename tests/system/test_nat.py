"""The shipped nat.yaml, with ordinary clients: who is seen on either side, and what does not pass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import commandline
from tests.system.commandline import Desk

NAT = "topologies/nat.yaml"
CURL = ("curl", "-s", "-m", "2")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a desk of the test's own."""
    with commandline.desk(tmp_path) as made:
        yield made


def log(desk: Desk, service: str) -> str:
    """Return what a service of the lab that has just run logged."""
    return (desk.directory / "runs" / "nat" / "logs" / f"{service}.log").read_text()


def rules(desk: Desk) -> dict[str, int]:
    """Return how often each of the router's rules matched."""
    kernel = json.loads((desk.directory / "runs" / "nat" / "kernel.json").read_text())
    found: dict[str, int] = kernel["router"]["rules"]
    return found


def test_the_server_sees_the_router(desk: Desk) -> None:
    """From inside to outside: the page comes, and the server's log has the router's outer address."""
    done = desk.netlab("run", NAT, "client", "--", *CURL, "http://www.lab.test/hello.txt")
    assert done.stdout.startswith("Hello from the lab."), done.stderr
    assert '192.0.2.1 "GET /hello.txt" 200' in log(desk, "web-http")
    assert "10.0.0.10" not in log(desk, "web-http")
    assert rules(desk)["masquerade-outside"] == 2  # its DNS questions, from one port, and its connection


def test_a_forwarded_port_leads_inside(desk: Desk) -> None:
    """From outside to inside: the router's port is the inner server's, who sees the visitor's own address."""
    done = desk.netlab("run", NAT, "visitor", "--", *CURL, "http://home.lab.test:8080/hello.txt")
    assert done.stdout.startswith("Hello from the lab."), done.stderr
    assert '192.0.2.99 "GET /hello.txt" 200' in log(desk, "home-http")
    assert rules(desk)["forward-tcp-8080"] == 1


@pytest.mark.parametrize("node", ["visitor", "web"])
def test_nobody_outside_knows_a_way_in(desk: Desk, node: str) -> None:
    """The outer hosts have no route to the inside."""
    done = desk.netlab("run", NAT, node, "--", *CURL, "http://10.0.0.80/hello.txt")
    assert done.returncode == 7, done.stderr


def test_who_makes_a_route_meets_the_rules(desk: Desk) -> None:
    """A visitor who sends its packets to the router by hand comes as far as the last rule."""
    way = "ip route add 10.0.0.0/24 via 192.0.2.1; " + " ".join([*CURL, "http://10.0.0.10/"])
    done = desk.netlab("run", NAT, "visitor", "--", "sh", "-c", way)
    assert done.returncode == 28, done.stderr
    assert rules(desk)["anything-else"] >= 1


def test_only_the_forwarded_port_is_forwarded(desk: Desk) -> None:
    """Another port of the router's is its own, and closed."""
    done = desk.netlab("run", NAT, "visitor", "--", *CURL, "http://home.lab.test:8081/")
    assert done.returncode == 7, done.stderr
