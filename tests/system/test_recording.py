"""Packets as they are recorded, against other witnesses: the sender, the kernel's counters, the file."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlab import lab, topology
from netlab.errors import LabError
from netlab.kernel.packets import BLOCK_BYTES, BLOCKS, Ring
from netlab.lab import Lab
from netlab.lab.catalogue import exercises
from netlab.lab.record import Record, claim, read_kernel
from netlab.plan import make_plan
from netlab.report import checksum
from netlab.report.dissect import dissect
from netlab.report.pcapng import Capture, Writer, read_capture
from tests.system import commandline, harness
from tests.system.commandline import Desk

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
# What follows is run in a node: do this to the recorder, which has the capture open.
RECORDER = """
import os, signal, socket, sys, time
from pathlib import Path
def recorder():
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            if any(link.resolve().name == "capture.pcapng" for link in Path(f"/proc/{pid}/fd").iterdir()):
                return pid
        except OSError:
            pass
    sys.exit("there is no recorder")
"""
TOO_MANY_FOR_THE_RING = (
    RECORDER
    + """
pid = recorder()
os.kill(pid, signal.SIGSTOP)
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(16000):
    sock.sendto(bytes(1472), ("10.0.0.53", 9))
os.kill(pid, signal.SIGCONT)
"""
)
KILLED = (
    RECORDER
    + """
pid = recorder()
os.kill(pid, signal.SIGKILL)
while Path(f"/proc/{pid}").exists():
    time.sleep(0.01)
"""
)
TOPOLOGY = "topologies/web.yaml"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a desk of the test's own."""
    with commandline.desk(tmp_path) as made:
        yield made


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
    sock, names = harness.packet_socket_in(web, "client")
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
    sock, _ = harness.packet_socket_in(web, "client")
    ring = Ring(sock)
    send(web, "dns", "10.0.0.80", 50, 100)
    send(web, "client", "10.0.0.80", 50, 100)
    datagrams = [packet for packet in ring.drain() if packet.data[14 + 9] == 17]
    assert [packet.outgoing for packet in datagrams] == [True] * 50
    sock.close()


def test_what_a_ring_loses_is_counted(web: Lab) -> None:
    """A ring that nobody reads fills up; what it could not take is counted, nothing twice."""
    sock, _ = harness.packet_socket_in(web, "client")
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


# -- VLAN tags -----------------------------------------------------------------------------------------

TAGGED = bytes.fromhex("ffffffffffff 02aabbccddee 8100 6007 0806") + bytes.fromhex("0001").ljust(46, b"\0")


def test_a_vlan_tag_is_recorded(tmp_path: Path) -> None:
    """A frame of 802.1Q is in the record as it was sent, tag and all, and told as what it is."""
    record = claim(tmp_path / "out", "web")
    program = (
        "import socket, sys; sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); "
        "sock.bind(('eth0', 0)); sock.send(bytes.fromhex(sys.argv[1]))"
    )
    with lab.start(harness.web_plan(), record=record) as running:
        done = running.output("client", [sys.executable, "-c", program, TAGGED.hex()])
        assert done.returncode == 0, done.stderr
        running.finish()
    frames = [frame for frame in read_capture(record.capture).frames if frame.data[6:12] == TAGGED[6:12]]
    assert [(f.interface, f.data, f.original_length) for f in frames] == [("client", TAGGED, len(TAGGED))]
    record.write_trace()
    assert "VLAN 7" in record.trace.read_text()


# -- the end of a recording ----------------------------------------------------------------------------


def test_a_recording_ends_in_the_midst_of_traffic(desk: Desk) -> None:
    """However much is still sent when the command has ended, the record is completed, soon and whole."""
    line = "ping -q -i 0.01 web >/dev/null & ping -q -i 0.002 dns >/dev/null & ping -c 30 -i 0.01 web"
    done = desk.netlab("run", TOPOLOGY, "client", "--out", "out", "--", "sh", "-c", line)
    assert (done.returncode, done.stderr) == (0, "recorded in out/\n")
    capture = read_capture(desk.directory / "out" / "capture.pcapng")
    assert not capture.truncated
    assert sum(frame.data[12:14] == b"\x08\x00" for frame in capture.frames) > 60


@pytest.mark.parametrize("how", ["run", "up and down"])
def test_lost_packets_fail_the_run(desk: Desk, how: str) -> None:
    """What the recorder could not take is told, with exit status 1, and stands in the trace."""
    command = ["client", "--", sys.executable, "-c", TOO_MANY_FOR_THE_RING]
    if how == "run":
        done = desk.netlab("run", TOPOLOGY, "--out", "out", *command)
    else:
        desk.up("--out", "out")
        assert desk.netlab("exec", *command).returncode == 0
        done = desk.netlab("down")
    assert done.returncode == 1, done.stderr
    assert re.search(r"out: incomplete: the recorder lost \d+ packets — ", done.stderr)
    assert "# INCOMPLETE: the recorder lost " in (desk.directory / "out" / "trace.txt").read_text()
    desk.assert_nothing_left()


@pytest.mark.parametrize("how", ["run", "up and down"])
def test_a_killed_recorder_leaves_no_whole_record(desk: Desk, how: str) -> None:
    """The trace says that it is incomplete, and a comparison refuses it, with itself even."""
    program = ["client", "--", sys.executable, "-c", KILLED]
    if how == "run":
        done = desk.netlab("run", TOPOLOGY, "--out", "out", *program)
    else:
        desk.up("--out", "out")
        assert desk.netlab("exec", *program).returncode == 0
        done = desk.netlab("down")
    assert done.returncode == 1, done.stderr
    assert "the recorder was killed by SIGKILL" in done.stderr
    out = desk.directory / "out"
    assert "# INCOMPLETE: the recording was broken off" in (out / "trace.txt").read_text()
    for path in ("out", "out/capture.pcapng"):
        compared = desk.netlab("trace", "diff", path, path)
        assert compared.returncode == 2
        assert "the recording is incomplete" in compared.stderr


def test_a_capture_of_a_node_is_whole(desk: Desk) -> None:
    """`capture -w` ends its file with counters; after a kill they are missing, and that is noticed."""
    desk.up()
    assert desk.netlab("capture", "client", "-w", "mine.pcapng", "--seconds", "0").returncode == 0
    assert not read_capture(desk.directory / "mine.pcapng").truncated
    killed = desk.start("capture", "client", "-w", "killed.pcapng")
    path = desk.directory / "killed.pcapng"
    assert harness.wait_for(lambda: path.exists() and path.stat().st_size)
    killed.kill()
    killed.communicate()
    assert read_capture(path).truncated


@pytest.mark.parametrize("name", [exercise.name for exercise in exercises()])
def test_no_proof_takes_an_incomplete_record(tmp_path: Path, name: str) -> None:
    """Each proof refuses it before anything else: what was not recorded may say otherwise."""
    with (tmp_path / "capture.pcapng").open("wb") as file:
        writer = Writer(file)
        writer.packet(writer.add_interface("client"), 1, bytes(60))
        writer.finish(1, received=1, dropped=2)
    proof = next(exercise.proof for exercise in exercises() if exercise.name == name)
    argv = [sys.executable, str(proof), str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{tmp_path}: incomplete: the recorder lost 2 packets — ")


def test_the_public_api_tells_of_lost_packets(tmp_path: Path) -> None:
    """`write_trace` raises for whoever uses it."""
    record = claim(tmp_path / "out", "web")
    with lab.start(harness.web_plan(), record=record) as running:
        assert running.output("client", [sys.executable, "-c", TOO_MANY_FOR_THE_RING]).returncode == 0
        running.finish()
    with pytest.raises(LabError, match="the recorder lost"):
        record.write_trace()


# -- the directory of a record -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_labs_command_reaches_no_file_of_the_users(desk: Desk, kind: str) -> None:
    """What it puts in the place of the files that netlab writes at the end is neither followed nor opened."""
    precious = desk.directory / "bashrc"
    precious.write_text("precious")
    put = f"ln -s {precious}" if kind == "link" else "mkfifo"
    line = f"cd $NETLAB_OUT && {put} trace.txt && {put} kernel.json"
    done = desk.netlab("run", TOPOLOGY, "client", "--out", "out", "--", "sh", "-c", line)
    assert done.returncode == 0, done.stderr
    assert precious.read_text() == "precious"
    assert (desk.directory / "out" / "trace.txt").read_text().startswith("# netlab trace")
    assert read_kernel(desk.directory / "out")["web"]
    line = f"cd $NETLAB_OUT && rm capture.pcapng && {put} capture.pcapng"
    done = desk.netlab("run", TOPOLOGY, "client", "--out", "out", "--", "sh", "-c", line)
    assert done.returncode == 2
    assert "capture.pcapng: not a regular file — " in done.stderr
    assert precious.read_text() == "precious"
    desk.assert_nothing_left()


def test_out_overwrites_nothing_of_the_users(desk: Desk) -> None:
    """A directory with files of its own is refused, whatever the verb; nothing in it is touched."""
    (desk.directory / "logs").mkdir()
    (desk.directory / "logs" / "mine.log").write_text("precious")
    for words in (
        ["run", TOPOLOGY, "client", "--out", ".", "--", "true"],
        ["lab", "run", "dns", "--out", "."],
    ):
        done = desk.netlab(*words)
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith("labs is in the way: ")
    assert desk.netlab("up", TOPOLOGY, "--out", ".").returncode == 2
    assert (desk.directory / "logs" / "mine.log").read_text() == "precious"
    assert sorted(path.name for path in desk.directory.iterdir()) == ["labs", "logs", "topologies"]


def test_a_lab_holds_its_record_for_as_long_as_it_runs(desk: Desk) -> None:
    """The record of a lab that outlives its command is refused to others until `down`."""
    desk.up("--out", "kept")
    assert desk.netlab("exec", "client", "--", "ping", "-c1", "web").returncode == 0
    capture = desk.directory / "kept" / "capture.pcapng"
    again = ("run", TOPOLOGY, "client", "--out", "kept", "--", "true")
    for words in (again, ("up", TOPOLOGY, "--name", "other", "--out", "kept")):
        done = desk.netlab(*words)
        assert done.returncode == 2, done.stderr
        assert "another run is writing to kept" in done.stderr
    assert desk.netlab("down").returncode == 0
    assert len(read_capture(capture).frames) >= 4
    assert desk.netlab(*again).returncode == 0
