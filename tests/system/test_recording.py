"""Packets as they are recorded, against other witnesses: the sender, the kernel's counters, the file."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlab import lab, topology
from netlab.kernel.packets import BLOCK_BYTES, BLOCKS, Ring
from netlab.lab import Lab
from netlab.lab.record import Record, claim, read_kernel
from netlab.plan import make_plan
from netlab.report import checksum
from netlab.report.dissect import dissect
from netlab.report.pcapng import Capture, read_capture
from tests.system import harness

pytestmark = harness.requires("curl", "ping")

MEGABYTE = 1 << 20
ETH_FRAME = 1514
TRANSFERS = """
name: transfers
networks: {lan: 10.0.0.0/24}
nodes:
  client: {address: 10.0.0.10}
  dns: {address: 10.0.0.53, services: {dns: {zones: {lab.test: {www: 10.0.0.80}}}}}
  web: {address: 10.0.0.80, services: {http: {content: www}}}
"""
# Numbered datagrams to argv[1], port 9: argv[2] of them, argv[3] bytes each. The address is asked for first.
SENDER = """
import socket, sys
address, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("", 4000))
for number in range(count):
    sock.sendto(number.to_bytes(4, "big").ljust(size, b"."), (address, 9))
"""


@pytest.fixture(scope="module")
def web() -> Iterator[Lab]:
    """Give the shipped lab."""
    with lab.start(harness.web_plan()) as running:
        yield running


def send(running: Lab, sender: str, address: str, count: int, size: int) -> None:
    """Send numbered datagrams from a node; the ping before makes ARP a thing of the past."""
    assert running.output(sender, ["ping", "-c1", "-W5", address]).returncode == 0
    done = running.output(sender, [sys.executable, "-c", SENDER, address, str(count), str(size)])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("size", [4, 999, 1472])
def test_a_ring_holds_every_packet_in_order(web: Lab, size: int) -> None:
    """Numbered datagrams come out of the ring in order, once each, byte for byte, with true lengths."""
    sock, names = web.packets("client")
    ring = Ring(sock)
    send(web, "dns", "10.0.0.10", 1000, size)
    packets = [packet for packet in ring.drain() if packet.data[14 + 9] == 17 and not packet.outgoing]
    payloads = [packet.data[14 + 20 + 8 :][:size] for packet in packets]
    assert payloads == [number.to_bytes(4, "big").ljust(size, b".") for number in range(1000)]
    assert {packet.length for packet in packets} == {max(14 + 20 + 8 + size, 0)}
    assert all(len(packet.data) == packet.length for packet in packets)
    assert {names[packet.interface] for packet in packets} == {"eth0"}
    times = [packet.time_ns for packet in packets]
    assert times == sorted(times)
    ring.count()
    assert ring.dropped == 0
    sock.close()


def test_a_ring_tells_directions_and_hears_only_its_node(web: Lab) -> None:
    """A node's ring has what it sends and gets, once each, and nothing of the others' conversation."""
    sock, _ = web.packets("client")
    ring = Ring(sock)
    send(web, "dns", "10.0.0.80", 50, 100)
    send(web, "client", "10.0.0.80", 50, 100)
    datagrams = [packet for packet in ring.drain() if packet.data[14 + 9] == 17]
    assert [packet.outgoing for packet in datagrams] == [True] * 50
    sock.close()


def test_what_a_ring_loses_is_counted(web: Lab) -> None:
    """A ring that nobody reads fills up; what it could not take is counted, nothing twice."""
    sock, _ = web.packets("client")
    ring = Ring(sock)
    count = 2 * BLOCK_BYTES * BLOCKS // 1500
    send(web, "dns", "10.0.0.10", count, 1472)
    read = sum(1 for _ in ring.drain())
    ring.count()
    assert ring.dropped > count // 4
    assert read == ring.received - ring.dropped
    before = ring.received, ring.dropped
    send(web, "dns", "10.0.0.10", 10, 100)
    again = sum(1 for packet in ring.drain() if packet.length == 14 + 20 + 8 + 100)
    assert again == 10, "a ring that was full goes on"
    ring.count()
    assert ring.dropped == before[1]
    sock.close()


# -- the recorder --------------------------------------------------------------------------------------


def transfer(directory: Path) -> tuple[Record, dict[str, tuple[int, int]], list[str], str]:
    """Fetch 1 MiB eight times, four at once, recorded.

    Returns the record, what each node's kernel counted as sent (before and after its end), the digests
    of what came, and that of the file.
    """
    (directory / "www").mkdir()
    content = os.urandom(MEGABYTE)
    (directory / "www" / "large.bin").write_bytes(content)
    file = directory / "transfers.yaml"
    file.write_text(TRANSFERS)
    record = claim(directory / "out", "transfers")
    urls = " ".join(f"-o /tmp/{number} http://www.lab.test/large.bin" for number in range(8))
    line = f"curl -sS --parallel --parallel-max 4 {urls} && sha256sum /tmp/[0-7]"
    with lab.start(make_plan(topology.load(file)), record=record) as running:
        done = running.output("client", ["sh", "-c", line])
        assert done.returncode == 0, done.stderr
        before = {node: sent(running, node) for node in running.nodes}
        running.finish()
        counted = {node: (before[node], sent(running, node)) for node in running.nodes}
    digests = [line.split()[0] for line in done.stdout.splitlines()]
    return record, counted, digests, hashlib.sha256(content).hexdigest()


def sent(running: Lab, node: str) -> int:
    """Return how many packets a node's kernel has handed to its interface."""
    return int(running.output(node, ["cat", "/sys/class/net/eth0/statistics/tx_packets"]).stdout)


@pytest.fixture(scope="module")
def transferred(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Record, dict[str, tuple[int, int]], Capture]:
    """Give the record of a run that fetched 8 MiB whole, and what the kernels counted."""
    record, counted, digests, digest = transfer(tmp_path_factory.mktemp("transfers"))
    assert digests == [digest] * 8
    return record, counted, read_capture(record.capture)


def test_every_packet_is_recorded_once(
    transferred: tuple[Record, dict[str, tuple[int, int]], Capture],
) -> None:
    """At each port as many packets are recorded as its node's kernel has sent; none is lost, none twice."""
    _, counted, capture = transferred
    recorded = Counter(frame.interface for frame in capture.frames)
    assert capture.dropped == 0
    for node, (before, after) in counted.items():
        assert before <= recorded[node] <= after, (node, counted, recorded)
    assert recorded["web"] > 8 * MEGABYTE // 1460
    # The kernel gives each packet of a connection an identification of its own, so equal ones are copies.
    heads = Counter(frame.data for frame in capture.frames if frame.data[12:14] == b"\x08\x00")
    assert [count for count in heads.values() if count > 1] == []


def test_recorded_packets_are_as_on_a_wire(
    transferred: tuple[Record, dict[str, tuple[int, int]], Capture],
) -> None:
    """Every checksum is true; every frame is whole, no larger than Ethernet's, and about in order."""
    _, _, capture = transferred
    for frame in capture.frames:
        packet = dissect(frame.data)
        assert checksum.ip_checksum_ok(packet) is not False, frame
        assert checksum.transport_checksum_ok(packet) is not False, frame
        assert len(frame.data) == frame.original_length <= ETH_FRAME
    # Two processors may be at it: a packet gets its time before its place.
    times = [frame.time_ns for frame in capture.frames]
    assert max(earlier - later for earlier, later in itertools.pairwise(times)) < 1_000_000


def test_the_kernels_own_counters_agree(
    transferred: tuple[Record, dict[str, tuple[int, int]], Capture],
) -> None:
    """The second witness: the segments that the kernels say they sent and got are the capture's."""
    record, _, capture = transferred
    counted = read_kernel(record.path)
    assert json.loads((record.path / "kernel.json").read_text()) == counted
    segments = Counter(
        frame.interface
        for frame in capture.frames
        if frame.data[12:14] == b"\x08\x00" and frame.data[23] == 6
    )
    for node, other in (("client", "web"), ("web", "client")):
        tcp = counted[node]["Tcp"]
        assert tcp["OutSegs"] + tcp["RetransSegs"] + tcp["OutRsts"] >= segments[node] >= tcp["OutSegs"], node
        assert tcp["InSegs"] == segments[other]
        assert tcp["InCsumErrors"] == 0
    assert counted["dns"]["Udp"]["InDatagrams"] == counted["client"]["Udp"]["OutDatagrams"] > 0


def test_the_trace_tells_of_every_packet(
    transferred: tuple[Record, dict[str, tuple[int, int]], Capture],
) -> None:
    """One line a packet, with the nodes' names."""
    record, _, capture = transferred
    record.write_trace()
    lines = [line for line in record.trace.read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) == len(capture.frames)
    assert all(" > " in line for line in lines)
    assert any("client:" in line and "> web:80" in line for line in lines)
