"""Wiring real namespaces: what `wire` promises is looked at from inside, by other means than its own."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Interface
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from pyroute2 import IPRoute

from netlab import wiring
from netlab.errors import MachineError
from netlab.kernel import firewall, namespace, netlink
from netlab.kernel import syscalls as sc
from netlab.kernel.netlink import FIRST_INDEX, RouteSocket, VethEnd
from netlab.plan.model import Plan, PlannedNode, Port, Rule, Switch

# Debian keeps it where an ordinary user's PATH does not look.
NFT = shutil.which("nft", path=f"{os.environ['PATH']}:/usr/sbin")
NAMES = ("client", "dns", "web")
ETH_FRAME = 14 + 1500


def in_sandbox(body: Callable[[], Any]) -> Any:
    """Run `body` in a child with its own user and network; returns what it returned, by way of JSON."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # pytest-xdist has threads, at which fork warns from Python 3.12 on; the child uses none of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        said = {"error": "the child said nothing"}
        try:
            os.close(reading)
            unshare_network()
            said = {"value": body()}
        except BaseException:
            said = {"error": traceback.format_exc()}
        finally:
            with os.fdopen(writing, "w") as pipe:
                json.dump(said, pipe)
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = json.load(pipe)
    os.waitpid(child, 0)
    if "error" in said:
        pytest.fail(said["error"], pytrace=False)
    return said["value"]


def unshare_network() -> None:
    """Be the owner of a new network, mapped to oneself, with capabilities that programs inherit."""
    user, group = os.geteuid(), os.getegid()
    sc.unshare(sc.CLONE_NEWUSER | sc.CLONE_NEWNET)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    sc.raise_ambient_capabilities()


def port(node: str, index: int, number: int, subnet: int = 0) -> Port:
    """Plan one interface on the switch, with the address 10.0.`subnet`.`number`."""
    tail = f"{subnet:02x}:{number >> 8:02x}:{number & 255:02x}"
    address = IPv4Interface(f"10.{subnet}.{number >> 8}.{number & 255}/16")
    near = f"{node}.{index}" if index else node
    return Port(node, f"eth{index}", f"02:00:00:{tail}", address, "lan", near, f"06:00:00:{tail}")


def plan_of(*nodes: PlannedNode) -> Plan:
    """Plan a lab of one switch."""
    return Plan("wired", 1, (Switch("lan", "br-lan", "0a:00:00:00:00:01"),), nodes)


def three(sysctls: tuple[tuple[str, str], ...] = ()) -> Plan:
    """Plan client, dns and web on one switch."""
    return plan_of(*(PlannedNode(n, (port(n, 0, i),), (), sysctls) for i, n in enumerate(NAMES, 1)))


def wired(plan: Plan) -> dict[str, int]:
    """Wire a plan with the current namespace as fabric; its descriptor is under "", beside the nodes'."""
    nodes = wiring.make_namespaces(plan)
    fabric = namespace.current()
    wiring.wire(plan, fabric, nodes)
    return {**nodes, "": fabric}


def refused(plan: Plan) -> str:
    """Say what the MachineError says of wiring this plan."""
    with pytest.raises(MachineError) as error:
        wired(plan)
    return str(error.value)


def links(network: int) -> dict[str, dict[str, Any]]:
    """Name → what a dump says of each link; a dump, unlike a question about one link, settles nothing."""
    with namespace.entered(network), IPRoute() as route:
        return {
            link.get_attr("IFLA_IFNAME"): {
                "index": link["index"],
                "mac": link.get_attr("IFLA_ADDRESS"),
                "state": link.get_attr("IFLA_OPERSTATE"),
                "queues": [link.get_attr("IFLA_NUM_TX_QUEUES"), link.get_attr("IFLA_NUM_RX_QUEUES")],
            }
            for link in route.get_links()
        }


def test_links_are_as_planned_and_up() -> None:
    """Every end has its planned name and MAC, one queue, and is up, on both sides, when `wire` returns."""

    def body() -> Any:
        held = wired(three())
        return {name: links(held[name]) for name in ("", *NAMES)}

    seen = in_sandbox(body)
    for planned in three().ports:
        near, far = seen[""][planned.port], seen[planned.node][planned.interface]
        assert (near["mac"], far["mac"]) == (planned.port_mac, planned.mac)
        assert (near["state"], far["state"]) == ("UP", "UP")
        assert near["queues"] == far["queues"] == [1, 1]
        assert far["index"] == FIRST_INDEX
    assert seen[""]["br-lan"]["mac"] == "0a:00:00:00:00:01"


def running(network: int, names: Sequence[str]) -> list[bool]:
    """Say of each link whether IFF_RUNNING is set; unlike a netlink question, this ioctl settles nothing."""
    with namespace.entered(network), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        flags = [fcntl.ioctl(sock, 0x8913, struct.pack("=16s24x", name.encode())) for name in names]
    return [bool(struct.unpack_from("=H", answer, 16)[0] & 0x40) for answer in flags]


def test_all_of_many_links_run_at_once() -> None:
    """So they are however many there are: left alone, the kernel settles some of them a second later."""
    names = [f"n{number}" for number in range(1, 65)]

    def body() -> Any:
        plan = plan_of(*(PlannedNode(n, (port(n, 0, i),), (), ()) for i, n in enumerate(names, 1)))
        held = wired(plan)
        return running(held[""], names), [running(held[name], ["eth0"]) for name in names]

    near, far = in_sandbox(body)
    assert all(near)
    assert far == [[True]] * len(names)


def test_addresses_and_routes_are_as_planned() -> None:
    """A node has its address, and one connected route, with its source and a second of least RTO."""

    def body() -> Any:
        held = wired(three())
        with namespace.entered(held["web"]), IPRoute() as route:
            addresses = [
                [a.get_attr("IFA_ADDRESS"), a["prefixlen"], a.get_attr("IFA_BROADCAST")]
                for a in route.get_addr(index=FIRST_INDEX)
            ]
            routes = [
                [
                    r.get_attr("RTA_DST"),
                    r["dst_len"],
                    r.get_attr("RTA_PREFSRC"),
                    r.get_attr("RTA_METRICS").get_attr("RTAX_RTO_MIN"),
                ]
                for r in route.get_routes(table=254)
            ]
        return addresses, routes

    addresses, routes = in_sandbox(body)
    assert addresses == [["10.0.0.3", 16, "10.0.255.255"]]  # and no IPv6 address
    assert routes == [["10.0.0.0", 16, "10.0.0.3", 1000]]


def test_nobody_speaks_ipv6() -> None:
    """No link but loopback has an IPv6 address, in the fabric or in a node."""

    def body() -> Any:
        held = wired(three())
        found = []
        for name in ("", *NAMES):
            with namespace.entered(held[name]), IPRoute() as route:
                found += [a.get_attr("IFA_ADDRESS") for a in route.get_addr(family=socket.AF_INET6)]
        return found

    assert set(in_sandbox(body)) <= {"::1"}


def udp(network: int) -> socket.socket:
    """Open a UDP socket in a network."""
    with namespace.entered(network):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(0.9)  # a lost ARP request would be repeated after one second
    return sock


def test_first_datagram_arrives() -> None:
    """From every node to every other, a single datagram is answered at once: no ARP, no frame is lost."""

    def body() -> Any:
        held = wired(three())
        answered = []
        for asking in three().nodes:
            for answering in three().nodes:
                with udp(held[asking.name]) as client, udp(held[answering.name]) as server:
                    server.bind((str(answering.address), 7))
                    client.sendto(b"?", (str(answering.address), 7))
                    data, sender = server.recvfrom(16)
                    server.sendto(data, sender)
                    client.recv(16)
                    answered.append(sender[0])
        return answered

    assert in_sandbox(body) == [str(node.address) for node in three().nodes for _ in NAMES]


def connected(held: Mapping[str, int]) -> tuple[socket.socket, socket.socket]:
    """Connect client to web by TCP."""
    with namespace.entered(held["web"]):
        listener = socket.create_server(("10.0.0.3", 80))
    with namespace.entered(held["client"]):
        client = socket.create_connection(("10.0.0.3", 80), timeout=5)
    server, _ = listener.accept()
    listener.close()
    return client, server


def ones_complement(data: bytes) -> int:
    """Sum as RFC 1071 does; 0 over a packet whose checksum is true."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def tcp_checksum(frame: bytes) -> int:
    """Sum a segment with its pseudo-header (RFC 9293, section 3.1)."""
    header = (frame[14] & 15) * 4
    segment = frame[14 + header : 14 + struct.unpack_from("!H", frame, 16)[0]]
    return ones_complement(frame[26:34] + struct.pack("!HH", 6, len(segment)) + segment)


def test_segments_on_the_wire_are_true() -> None:
    """With checksum offload off, a capture shows frames of at most the MTU, with true checksums."""

    def body() -> Any:
        held = wired(three())
        capture = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
        capture.bind(("web", 3))
        capture.settimeout(2)
        client, server = connected(held)
        with capture, client, server:
            server.sendall(bytes(range(256)) * 128)
            received = 0
            while received < 256 * 128:
                received += len(client.recv(65536))
            client.sendall(b"bye")
            server.recv(3)
            frames = [capture.recv(65536)]
            while frames[-1][-3:] != b"bye":
                frames.append(capture.recv(65536))
        return [[len(frame), tcp_checksum(frame)] for frame in frames if frame[12:14] == b"\x08\x00"]

    frames = in_sandbox(body)
    assert max(size for size, _ in frames) == ETH_FRAME
    assert {checksum for _, checksum in frames} == {0}


def test_kernel_waits_a_second_before_it_sends_again() -> None:
    """The route's metric is in milliseconds: a connection's own RTO is a second at least (RFC 6298, 2.4)."""

    def body() -> Any:
        client, server = connected(wired(three()))
        with client, server:
            info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        return struct.unpack_from("=I", info, 8)[0]  # tcpi_rto, in microseconds

    assert 1_000_000 <= in_sandbox(body) < 1_100_000


def test_node_on_two_switches() -> None:
    """A node's interfaces have their own addresses, each on its own switch."""
    second = Switch("wan", "br-wan", "0a:00:00:00:00:02")

    def body() -> Any:
        there = port("router", 1, 1, subnet=1)
        far = port("far", 0, 2, subnet=1)
        nodes = (
            PlannedNode("router", (port("router", 0, 1), _on(there, "wan")), (), ()),
            PlannedNode("far", (_on(far, "wan"),), (), ()),
        )
        plan = Plan("two", 1, (*three().switches, second), nodes)
        held = wired(plan)
        with udp(held["router"]) as client, udp(held["far"]) as server:
            server.bind(("10.1.0.2", 7))
            client.sendto(b"?", ("10.1.0.2", 7))
            return server.recvfrom(16)[1][0]

    assert in_sandbox(body) == "10.1.0.1"


def _on(planned: Port, switch: str) -> Port:
    return Port(
        planned.node,
        planned.interface,
        planned.mac,
        planned.address,
        switch,
        planned.port,
        planned.port_mac,
    )


def test_sysctls_are_the_nodes_own() -> None:
    """A parameter is set in the node and nowhere else; one marked optional may be missing."""

    def body() -> Any:
        key = "net.ipv4.tcp_fin_timeout"
        held = wired(three(((key, "17"), ("-net.ipv4.no_such_thing", "1"))))
        path = Path("/proc/sys/net/ipv4/tcp_fin_timeout")
        with namespace.entered(held["dns"]):
            inside = path.read_text().strip()
        return inside, path.read_text().strip()

    inside, outside = in_sandbox(body)
    assert inside == "17"
    assert outside != "17"


def test_missing_sysctl_is_an_error() -> None:
    """A parameter that this kernel does not have is named, with the node."""
    said = in_sandbox(lambda: refused(three((("net.ipv4.no_such_thing", "1"),))))
    assert said == "this kernel has no net.ipv4.no_such_thing to set in client — see `sysctl -a`"


def test_bridge_takes_1023_ports() -> None:
    """The 1024th port is refused in words that name the link and the limit."""

    def body() -> Any:
        ports = tuple(port("n", number, number + 1) for number in range(1024))
        return refused(plan_of(PlannedNode("n", ports, (), ())))

    assert in_sandbox(body) == (
        "the kernel refused link n.1023: a bridge takes 1023 ports — spread the nodes over several networks"
    )


def test_wiring_twice_is_refused_and_leaves_the_thread_at_home() -> None:
    """A fabric that has the switch already is named; the thread is back in its own namespace."""

    def body() -> Any:
        before = Path("/proc/thread-self/ns/net").readlink()
        wired(three())
        said = refused(three())
        return said, before == Path("/proc/thread-self/ns/net").readlink()

    said, at_home = in_sandbox(body)
    assert said.startswith("the kernel refused bridge br-lan: one of that name or number is there already")
    assert at_home


def half_up() -> RouteSocket:
    """Make a link whose other end, in a namespace of its own, is down; that end's socket is returned."""
    far = namespace.make(["far"])["far"]
    with RouteSocket() as route:
        ends = VethEnd("near", 200, "02:00:00:00:00:01"), VethEnd("eth0", 200, "02:00:00:00:00:02")
        route.send([netlink.bridge_add("br", 100, "02:00:00:00:00:03"), netlink.veth_add(*ends, 100, far)])
    with namespace.entered(far):
        return RouteSocket()


def test_link_that_stays_down_is_named_at_the_deadline() -> None:
    """Waiting ends with the name of the link."""

    def body() -> Any:
        with half_up(), RouteSocket() as route, pytest.raises(MachineError) as error:
            route.wait_running({200: "link near"}, 0.1)
        return str(error.value)

    assert in_sandbox(body) == "link near did not come up — is the other end up?"


def test_link_that_comes_up_late_is_waited_for() -> None:
    """Where the first answer is not yet, the kernel's event ends the wait (on older kernels, each time)."""

    def body() -> Any:
        with half_up() as far, RouteSocket() as route:

            def later(_: int, __: FrameType | None) -> None:
                far.send([netlink.link_up(200, "eth0")])

            signal.signal(signal.SIGALRM, later)
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            route.wait_running({200: "link near"}, 20)
            return signal.getitimer(signal.ITIMER_REAL)[0]

    assert in_sandbox(body) == 0


def test_limit_of_namespaces_is_a_sentence() -> None:
    """Where the user may have no more namespaces, the node is named, and nothing stays open."""

    def body() -> Any:
        Path("/proc/sys/user/max_net_namespaces").write_text("2")
        before = len(list(Path("/proc/self/fd").iterdir()))
        with pytest.raises(MachineError) as error:
            namespace.make(["a", "b", "c"])
        return str(error.value), len(list(Path("/proc/self/fd").iterdir())) - before

    said, left = in_sandbox(body)
    assert said.startswith("the kernel refused the network namespace of ")
    assert "the user's limit of network namespaces is reached" in said
    assert left == 0


HOLD_BACK = Rule(
    name="hold-back-rst",
    why="",
    chain="output",
    nft="tcp flags & rst == rst counter drop",
    matches=(("protocol", "tcp"), ("tcp-flag", "rst")),
    verdict="drop",
)


def test_rule_holds_back_rst_and_counts_it() -> None:
    """A connection to a closed port gets no RST from the node with the rule, and its counter says so."""

    def body() -> Any:
        held = wired(three())
        with namespace.entered(held["web"]):
            firewall.apply([HOLD_BACK])
        ended = []
        for address in ("10.0.0.3", "10.0.0.2"):
            with namespace.entered(held["client"]):
                client = socket.socket()
            with client:
                client.settimeout(0.2)
                ended.append(_end_of_connecting(client, address))
        with namespace.entered(held["web"]):
            return ended, firewall.counters()

    ended, counted = in_sandbox(body)
    assert ended == ["timed out", "refused"]
    assert counted == {"hold-back-rst": [1, 40]}


def _end_of_connecting(client: socket.socket, address: str) -> str:
    try:
        client.connect((address, 9))
    except TimeoutError:
        return "timed out"
    except ConnectionRefusedError:
        return "refused"
    return "connected"


@pytest.mark.skipif(NFT is None, reason="nft is not installed")
def test_nft_reads_the_rule_as_the_plan_has_it() -> None:
    """What nft prints is the plan's own words, with the name as comment."""

    def body() -> Any:
        firewall.apply([HOLD_BACK])
        return run([str(NFT), "list", "ruleset"])

    listed = in_sandbox(body)
    assert "table inet netlab {" in listed
    assert "type filter hook output priority filter; policy accept;" in listed
    assert 'tcp flags & rst == rst counter packets 0 bytes 0 drop comment "hold-back-rst"' in listed


def test_rules_put_twice_are_refused() -> None:
    """Two firewalls in one namespace would count a packet twice: the second is refused."""

    def body() -> Any:
        firewall.apply([HOLD_BACK])
        with pytest.raises(MachineError) as error:
            firewall.apply([HOLD_BACK])
        return str(error.value)

    assert in_sandbox(body).startswith("the firewall: its table is there already")


def test_no_right_to_set_rules_is_a_sentence() -> None:
    """Without the capability, the answer is an error and not a wait for one."""

    def body() -> Any:
        sc.unshare(sc.CLONE_NEWUSER)  # its capabilities are over what it owns: not over this network
        with pytest.raises(MachineError) as error:
            firewall.apply([HOLD_BACK])
        return str(error.value)

    assert in_sandbox(body).startswith("the firewall: it takes CAP_NET_ADMIN over the network namespace")


def run(command: Sequence[str]) -> str:
    """Run a program and return what it prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
