"""Many nodes of one entry, and a variation of a shipped file, on real packets."""

from __future__ import annotations

from pathlib import Path

from netlab import lab, topology
from netlab.plan import make_plan
from tests.system import harness
from tests.system.engines import Ground

pytestmark = harness.requires("curl", "dig", "ping")

STAR = harness.ROOT / "topologies" / "star-100.yaml"
PAGE = (harness.ROOT / "topologies" / "www" / "hello.txt").read_text()


def test_each_of_many_is_a_client(ground: Ground) -> None:
    """First, last and middle have the names and addresses that follow from the first; each gets the page.

    There are a hundred of them; ten in containers, each of which takes as long as a hundred namespaces.
    """
    count = 100 if ground.backend == "netns" else 10
    text = STAR.read_text().replace("count: 100", f"count: {count}")
    star = topology.parse(text, file="star.yaml", directory=STAR.parent)
    with lab.start(ground.plan(star)) as running:
        assert len(running.nodes) == count + 2
        for number in (1, count // 2, count):
            node = f"client-{number}"
            told = running.output(node, ["sh", "-c", "hostname; curl -sS http://www.lab.test/hello.txt"])
            assert (told.stdout, told.stderr) == (f"{node}\n{PAGE}", "")
        # By name, from one end of the star to the other: of a hundred, 10.0.0.101 hears 10.0.0.200.
        last, address = f"client-{count}", f"10.0.0.{100 + count}"
        told = running.output("client-1", ["ping", "-c", "1", "-W", "5", last])
        assert f"from {address}" in told.stdout or f"{last} ({address})" in told.stdout, told.stdout


def test_a_variation_is_a_few_lines(backend: str, tmp_path: Path) -> None:
    """A file of five lines changes an address and adds two nodes of a kind to the shipped lab; that works."""
    variation = tmp_path / "mine.yaml"
    variation.write_text(
        f"extends: {harness.WEB}\n"
        "kinds: {guest: {count: 2, address: 10.0.0.20, services: {http: {content: ., port: 8080}}}}\n"
        "nodes:\n"
        "  client: {address: 10.0.0.9}\n"
        '  guest: {kind: guest, environment: {WHO: "number {n}"}, start: ["touch /tmp/number-{n}"]}\n'
    )
    (tmp_path / "here.txt").write_text("of the guests\n")
    plan = make_plan(topology.load(variation), backend=backend)
    assert (plan.name, str(plan.node("client").address)) == ("mine", "10.0.0.9")
    with lab.start(plan, visible=(tmp_path,)) as running:
        assert running.output("client", ["curl", "-sS", "http://www.lab.test/hello.txt"]).stdout == PAGE
        told = running.output("client", ["curl", "-sS", "http://guest-2:8080/here.txt"])
        assert told.stdout == "of the guests\n", told.stderr
        told = running.output("guest-2", ["sh", "-c", "echo $WHO; ls /tmp/number-2"])
        assert told.stdout == "number 2\n/tmp/number-2\n", told.stderr
        assert str(plan.node("guest-2").address) == "10.0.0.21"
