"""The shipped topologies of the network layer, with ordinary clients: routers, a hub, two homes.

In namespaces and in containers alike; where something serves, with the builtin engines and with real ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from netlab import lab, topology
from netlab.lab import Lab
from netlab.lab.record import claim
from netlab.plan import make_plan
from netlab.report.compare import compare
from netlab.report.trace import Line, read_trace
from tests.system.engines import Ground
from tests.system.harness import PATIENCE, ROOT, requires, wait_for

SHIPPED = ROOT / "topologies"


@contextmanager
def shipped(name: str, ground: Ground) -> Iterator[Lab]:
    """Start a shipped topology."""
    with lab.start(ground.plan(topology.load(SHIPPED / f"{name}.yaml"))) as running:
        yield running


@contextmanager
def written(text: str, backend: str) -> Iterator[Lab]:
    """Start a topology of the test's own."""
    parsed = topology.parse(text, file="lab.yaml", directory=SHIPPED)
    with lab.start(make_plan(parsed, backend=backend)) as running:
        yield running


@pytest.fixture(scope="module")
def two_routers(ground: Ground) -> Iterator[Lab]:
    """Give the shipped lab of two LANs, which the tests share."""
    with shipped("two-routers", ground) as running:
        yield running


def told(running: Lab, node: str, argv: Sequence[str]) -> str:
    """Run a command to its end; return what it says, on both its outputs."""
    done = running.output(node, argv, seconds=PATIENCE)
    return done.stdout + done.stderr


@requires("traceroute")
@pytest.mark.parametrize(
    ("version", "hops"),
    [("-4", ["10.1.0.1", "10.9.0.2", "10.2.0.80"]), ("-6", ["fd00:1::1", "fd00:9::2", "fd00:2::80"])],
)
def test_traceroute_shows_both_routers(two_routers: Lab, version: str, hops: list[str]) -> None:
    """Each router tells of itself when a packet's hops end in it, in either version of IP."""
    lines = told(two_routers, "client", ["traceroute", version, "-n", "web"]).splitlines()[1:]
    assert [line.split()[1] for line in lines] == hops


@requires("ping")
@pytest.mark.parametrize(("version", "web"), [("-4", "10.2.0.80"), ("-6", "fd00:2::80")])
def test_a_packets_hops_end_where_they_should(two_routers: Lab, version: str, web: str) -> None:
    """With one hop the first router answers, with two the second, with three the web server."""
    ping = ["ping", version, "-n", "-c", "1", "-W", "5", "-t"]
    said = [told(two_routers, "client", [*ping, str(hops), web]) for hops in (1, 2, 3)]
    routers = ("10.1.0.1", "10.9.0.2") if version == "-4" else ("fd00:1::1", "fd00:9::2")
    assert [f"From {router} " in text for router, text in zip(routers, said, strict=False)] == [True, True]
    assert "ttl=62" in said[2]


@requires("curl", "dig")
def test_names_and_pages_come_through_two_routers(two_routers: Lab) -> None:
    """The name server answers with both addresses, over both versions, and the page comes by either."""
    page = (SHIPPED / "www" / "hello.txt").read_text()
    for version in ("-4", "-6"):
        assert told(two_routers, "client", ["curl", "-s", version, "http://www.lab.test/hello.txt"]) == page
    for server in ("10.2.0.53", "fd00:2::53"):
        for words in ([], ["+tcp"]):
            dig = ["dig", "+short", *words, f"@{server}", "www.lab.test"]
            assert told(two_routers, "client", [*dig, "AAAA"]) == "fd00:2::80\n"
            assert told(two_routers, "client", [*dig, "A"]) == "10.2.0.80\n"
    assert told(two_routers, "client", ["dig", "+short", "dns.lab.test", "AAAA"]) == "fd00:2::53\n"


def record_a_page(out: Path, ground: Ground) -> tuple[Line, ...]:
    """Fetch a page through the two routers, over IPv6; return the trace.

    Real servers tell the page's time to the nanosecond, which a container has not: their data are left out.
    """
    record = claim(out, "two-routers")
    plan = ground.plan(topology.load(SHIPPED / "two-routers.yaml"))
    with lab.start(plan, record=record) as running:
        assert told(running, "client", ["curl", "-s", "http://www.lab.test/hello.txt"])
        running.finish()
    record.write_trace()
    lines = read_trace((out / "trace.txt").read_text())
    if not ground.engines:
        return lines
    return tuple(replace(one, fields=tuple(w for w in one.fields if w[:5] != "data=")) for one in lines)


@requires("curl")
def test_a_trace_through_routers_can_be_read(ground: Ground, tmp_path: Path) -> None:
    """A packet is there once for each network, said to be passed on, not sent again.

    It is the same in every run, whatever the nodes are. The kernels say nothing of their own: no router or
    group is asked for, no address doubted.
    """
    here = record_a_page(tmp_path / "a", ground)
    there = record_a_page(tmp_path / "b", Ground("netns", ground.engines))
    compared = compare(here, there)
    assert compared.same, str(compared)
    syns = [line for line in here if line.flags == "SYN"]
    assert [line.remarks for line in syns] == [(), ("at r1.1",), ("at r2",)]
    assert not [line for line in here if "retransmission" in line.remarks]
    asked = {line.fields[0] for line in here if line.protocol == "ICMPv6"}
    assert asked == {"neighbour-solicitation", "neighbour-advertisement"}


@requires("ping", "tcpdump")
@pytest.mark.parametrize(("kind", "seen"), [("hub", True), ("switch", False)])
def test_a_third_host_hears_a_hub_and_no_switch(backend: str, kind: str, seen: bool) -> None:
    """On a hub eve's tcpdump shows what alice and bob say to each other; on a switch it does not.

    What alice sends to eve herself, last of all, tells in both cases that tcpdump has listened to the end.
    """
    text = (SHIPPED / "hub.yaml").read_text().replace("kind: hub", f"kind: {kind}")
    with written(text, backend) as running:
        told(running, "alice", ["ping", "-c", "1", "-W", "5", "bob"])  # a switch learns who is where
        tcpdump = "exec tcpdump -lnni eth0 icmp > /tmp/heard 2> /tmp/said"
        sniffing = running.launch("eve", ["sh", "-c", tcpdump], stdio=(0, 1, 2))
        # Its socket is there before it hears what is not its own: only its word says that it listens.
        said = ["sh", "-c", "cat /tmp/said || true"]
        assert wait_for(lambda: "listening on eth0" in told(running, "eve", said))
        for node in ("bob", "eve"):
            assert "1 received" in told(running, "alice", ["ping", "-c", "1", "-W", "5", node])
        heard = ["cat", "/tmp/heard"]
        assert wait_for(lambda: "10.0.0.3 > 10.0.0.1" in told(running, "eve", heard))
        assert ("10.0.0.1 > 10.0.0.2" in told(running, "eve", heard)) is seen
        assert ("10.0.0.2 > 10.0.0.1" in told(running, "eve", heard)) is seen
        sniffing.close()


@requires("curl", "ip")
def test_a_client_goes_on_to_the_address_that_is_up(ground: Ground) -> None:
    """Of a name's two addresses nobody answers for the one that is down; curl then takes the other."""
    with shipped("dual-homed", ground) as running:
        done = running.output("client", ["curl", "-sSv", "http://www.lab.test/hello.txt"], seconds=PATIENCE)
        assert done.returncode == 0
        tried = [line for line in done.stderr.splitlines() if "Trying" in line]
        assert [line.split()[2] for line in tried] == ["10.1.0.80:80...", "10.2.0.80:80..."]
        assert "10.1.0.80 port 80 failed: No route to host" in done.stderr
        # Once the cable is back, so is the address, with the route that was not there.
        told(running, "web", ["ip", "link", "set", "eth0", "up"])
        done = running.output("client", ["curl", "-sSv", "http://10.1.0.80/hello.txt"], seconds=PATIENCE)
        assert done.returncode == 0


@requires("ip")
def test_what_an_interface_is_told_it_has(backend: str) -> None:
    """A MAC and an MTU by hand, an address of IPv6 alone, a default route: the kernel has what is written."""
    text = """
networks:
  lan: {subnet: none, subnet6: fd00:1::/64, mtu: 1400}
  old: {subnet: 10.1.0.0/24, mtu: 600}
nodes:
  a: {interfaces: {lan: {address6: fd00:1::a, mac: "02:00:00:00:00:0a"}}, default: r}
  r: {router: true, interfaces: {lan: , old: }}
  b: {interfaces: {old: }, default: none}
"""
    with written(text, backend) as running:
        link = told(running, "a", ["ip", "link", "show", "eth0"])
        assert "mtu 1400" in link
        assert "link/ether 02:00:00:00:00:0a" in link
        assert "default via fd00:1::1 dev eth0 proto static" in told(running, "a", ["ip", "-6", "route"])
        assert "inet 10." not in told(running, "a", ["ip", "address"])
        assert "mtu 600" in told(running, "b", ["ip", "link", "show", "eth0"])
        assert told(running, "b", ["ip", "route"]).splitlines()[0].startswith("10.1.0.0/24 dev eth0")
        assert len(told(running, "b", ["ip", "route"]).splitlines()) == 1
        assert "1 received" in told(running, "a", ["ping", "-c", "1", "-W", "5", "r"])
        assert told(running, "r", ["cat", "/proc/sys/net/ipv6/conf/all/forwarding"]) == "1\n"
