"""Wires in real labs: what the packets, the nodes' kernels, the record and the command line show of them."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from netlab import lab
from netlab.errors import LabError, MachineError, ServiceError, UsageError
from netlab.kernel.readings import try_sandbox
from netlab.lab import Lab
from netlab.lab.record import Record, claim
from netlab.plan import make_plan
from netlab.report.compare import compare
from netlab.report.line import Line
from netlab.report.pcapng import Reader, read_capture
from netlab.report.trace import read_trace
from netlab.topology import parse
from tests.system import commandline, harness
from tests.system.applied import looks, plan
from tests.system.commandline import Desk

pytestmark = harness.requires("curl", "ping")

# Numbered datagrams from argv[1] on, argv[2] of them, to b's port 9, a thousand a second.
SEND = """
import socket, sys, time
first, count = map(int, sys.argv[1:3])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(first, first + count):
    sock.sendto(number.to_bytes(4, "big"), ("10.0.0.2", 9))
    time.sleep(0.001)
"""
# Says which datagrams come to port 9, until one has the number argv[1].
TAKE = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("10.0.0.2", 9))
print("ready", flush=True)
number = -1
while number != int(sys.argv[1]):
    number = int.from_bytes(sock.recv(64)[:4], "big")
    print(number, flush=True)
"""
LAST = 1 << 20


@contextmanager
def recorded(text: str, out: Path, **choices: int) -> Iterator[Lab]:
    """Start a lab for as long as the block lasts, then complete its record and write the trace."""
    made = plan(text, **choices)
    record = claim(out, made.name, [one.file for one in made.captures])
    with lab.start(made, record=record) as running:
        yield running
        running.finish()
        record.write_trace()


def trace(out: Path) -> tuple[Line, ...]:
    """Read the trace of a run."""
    return read_trace((out / "trace.txt").read_text())


def two(of_a: str = "", of_b: str = "", subnet6: str = "auto") -> str:
    """Say a lab of two nodes with the same services, whose wires are these."""
    nodes = (
        f"  {name}: {{address: 10.0.0.{number}{', wire: ' + words if words else ''}}}"
        for name, number, words in (("a", 1, of_a), ("b", 2, of_b))
    )
    head = f"name: x\nnetworks: {{lan: {{subnet: 10.0.0.0/24, subnet6: {subnet6}}}}}\nnodes:"
    return "\n".join([head, *nodes, ""])


def out(running: Lab, node: str, *argv: str) -> str:
    """Return what a command prints; it must succeed."""
    done = running.output(node, argv)
    assert done.returncode == 0, (argv, done.stdout, done.stderr)
    return done.stdout


@contextmanager
def running_in(running: Lab, node: str, script: str, *arguments: str) -> Iterator[tuple[lab.Running, TextIO]]:
    """Run a Python script in a node that says first that it is ready, and give what it prints then."""
    reading, writing = os.pipe()
    with open(reading) as said:  # noqa: PTH123 — a descriptor
        started = running.launch(node, [sys.executable, "-c", script, *arguments], stdio=(0, writing, 2))
        os.close(writing)
        assert said.readline() == "ready\n"
        try:
            yield started, said
        finally:
            started.close()


def taken(running: Lab, count: int) -> list[int]:
    """Send numbered datagrams from a to b, and return those that come; then one is sent until it comes."""
    with running_in(running, "b", TAKE, str(LAST)) as (taker, said):
        out(running, "a", sys.executable, "-c", SEND, "0", str(count))
        while still_runs(taker):
            out(running, "a", sys.executable, "-c", SEND, str(LAST), "1")
        numbers = [int(line) for line in said]
    return [number for number in numbers if number < count]


def still_runs(taker: lab.Running) -> bool:
    """Whether a command still runs after a moment."""
    try:
        taker.wait(0.05)
    except LabError:
        return True
    return False


# -- what a wire does ------------------------------------------------------------------------------------

SCRIPTED = """
name: x
captures: {heads: {filter: {protocol: tcp}, snap: 60}}
nodes:
  client: {address: 10.0.0.10}
  web:
    address: 10.0.0.80
    services: {http: {content: www}}
    wire:
      script:
        - delay 1st tcp data to web by 200 ms
        - drop 2nd tcp data from web
        - duplicate 4th tcp data from web
        - corrupt 6th tcp data from web
"""


def test_a_script_is_carried_out_and_told(backend: str, tmp_path: Path) -> None:
    """The page comes whole all the same; the trace tells each packet's fate, and that TCP made up for it."""
    made = make_plan(parse(SCRIPTED, file="x.yaml", directory=Path("topologies").resolve()), backend=backend)
    record = claim(tmp_path / "out", "x", ["heads.pcapng"])
    with lab.start(made, record=record) as running:
        page = out(running, "client", "curl", "-s", "http://10.0.0.80/index.html")
        running.finish()
        record.write_trace()
    assert page == Path("topologies/www/index.html").read_text()
    lines = trace(tmp_path / "out")
    fates = [(line.source.partition(":")[0], line.remarks[-1]) for line in lines if is_told(line)]
    assert sorted(fates) == [
        ("client", "held 200 ms by wire"),
        ("web", "corrupted by wire (byte 66)"),
        ("web", "dropped by wire"),
        ("web", "duplicated by wire"),
    ]
    assert_no_two_alike(tmp_path / "out")
    dropped, corrupted = (
        next(line for line in lines if line.source.startswith("web") and word in line.text)
        for word in ("dropped", "corrupted")
    )
    for lost in (dropped, corrupted):
        seq = next(field for field in lost.fields if field.startswith("seq="))
        again = [line for line in lines if line.source == lost.source and seq in line.fields]
        assert len(again) > 1, "\n".join(line.text for line in lines)
        assert all(line.time_us >= lost.time_us for line in again)
    heads = read_capture(tmp_path / "out" / "heads.pcapng").frames
    assert sorted(frame.comment for frame in heads if frame.comment) == sorted(
        f"wire: {fate}" for _, fate in fates
    )


def is_told(line: Line) -> bool:
    """Whether a line tells that a wire did something."""
    return any("by wire" in remark for remark in line.remarks)


def assert_no_two_alike(out_: Path) -> None:
    """Fail where a packet was recorded at two places: then two that look alike have the same time or so."""
    capture = read_capture(out_ / "capture.pcapng")
    assert {one.name for one in capture.interfaces}.isdisjoint({"web=", "web+", "a=", "a+", "b=", "b+"})
    seen = [frame.data for frame in capture.frames if frame.data[12:14] == b"\x08\x00"]
    assert len(seen) == len(set(seen))  # in IPv4 a kernel's packets differ in their id at least


LOSSY = "{loss: 2%, duplicate: 5%, reorder: 5%, corrupt: 2%, delay: 2 ms, jitter: 1 ms}"
SERVED = """
import socket, threading
listening = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    connection, _ = listening.accept()
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)
"""
ECHOED = """
import hashlib, random, socket, sys, threading
data = random.Random(7).randbytes(60000)
with socket.create_connection((sys.argv[1], 80)) as connection:
    def send():
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
    threading.Thread(target=send).start()
    back = b""
    while more := connection.recv(65536):
        back += more
print(back == data, len(back))
"""


def test_kernels_deliver_the_same_bytes_over_lossy_wires(tmp_path: Path) -> None:
    """With a bad wire at either end, TCP over IPv4 and IPv6 brings all of it there and back."""
    with recorded(two(LOSSY, LOSSY), tmp_path / "out", seed=3) as running:
        with running_in(running, "b", SERVED):
            for address in running.info["nodes"]["b"]["addresses"]:
                said = out(running, "a", sys.executable, "-c", ECHOED, address.split("/")[0])
                assert said == "True 60000\n"
        counted = [
            cable["counted"][way] for cable in running.wires()["cables"] for way in ("sent", "received")
        ]
    assert all(one["packets"] > 50 and one["dropped"] and one["altered"] for one in counted)
    told = [remark for line in trace(tmp_path / "out") for remark in line.remarks if "by wire" in remark]
    dropped = [remark for remark in told if remark.startswith("dropped")]
    assert len(dropped) == sum(one["dropped"] for one in counted)
    for word in ("duplicated", "reordered", "corrupted", "held"):
        assert any(word in remark for remark in told), word


def test_the_same_seed_the_same_fates(tmp_path: Path) -> None:
    """Two runs with a seed lose, double and reorder the same packets, and their traces are the same."""
    came, traces = [], []
    for number, seed in enumerate((7, 7, 8)):
        text = two(of_b=f"{{loss: 20%, duplicate: 10%, reorder: 10%, seed: {seed}}}")
        with recorded(text, tmp_path / str(number)) as running:
            mac = plan(text).node("b").ports[0].mac
            out(running, "a", "ip", "neigh", "replace", "10.0.0.2", "lladdr", mac, "dev", "eth0")
            came.append(taken(running, 200))
        traces.append([line for line in trace(tmp_path / str(number)) if line.protocol == "UDP"][:200])
    assert came[0] == came[1] != came[2]
    assert 120 < len(set(came[0])) < 190
    assert len(came[0]) > len(set(came[0]))
    assert came[0] != sorted(came[0])
    assert compare(traces[0], traces[1]).same
    assert not compare(traces[0], traces[2]).same


def test_held_is_as_long_as_it_says(tmp_path: Path) -> None:
    """A packet that is held 50 ms arrives after 50 ms, and not much later."""
    with recorded(two(of_b="{received: {delay: 50 ms}}"), tmp_path / "out") as running:
        said = out(running, "a", "ping", "-c", "20", "-i", "0.01", "10.0.0.2")
    times = [float(found) for found in re.findall(r"time=([\d.]+)", said)][2:]
    assert len(times) >= 15
    assert min(times) >= 50
    assert min(times) < 55, times  # a millisecond, where the machine has nothing else to do


def test_ends_of_a_wire_say_nothing_themselves(tmp_path: Path) -> None:
    """Whatever comes to them, only nodes answer: with packets of their own MACs."""
    wired = two("{delay: 1 ms}", "{delay: 1 ms}")
    with recorded(wired, tmp_path / "out") as running:
        running.output("a", ["ping", "-c1", "ff02::1%eth0"])
        running.output("a", ["ping", "-c1", "-W1", "10.0.0.77"])
        macs = {port.mac for port in plan(wired).ports}
    frames = read_capture(tmp_path / "out" / "capture.pcapng").frames
    assert len(frames) >= 3
    assert {frame.data[6:12].hex(":") for frame in frames} <= macs


def test_a_packet_that_is_cut_short_arrives(tmp_path: Path) -> None:
    """No switch drops it: the kernel of the node that gets it counts it as truncated."""
    with recorded(two("{script: [truncate 1st icmp from a to 40]}"), tmp_path / "out") as running:
        running.output("a", ["ping", "-c1", "-W1", "10.0.0.2"])
        names, counts = (
            line.split()
            for line in out(running, "b", "cat", "/proc/net/netstat").splitlines()
            if line.startswith("IpExt:")
        )
    assert dict(zip(names, counts, strict=True))["InTruncatedPkts"] == "1"


# Sends a frame with two VLAN tags, and one as large as the MTU lets it be.
TAGGED = """
import socket, sys
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sock.bind(("eth0", 0))
ends = b"\\xff" * 6 + bytes.fromhex(sys.argv[1].replace(":", ""))
sock.send(ends + bytes.fromhex("81000007" "81000008" "0800") + b"tagged".ljust(60, b"."))
sock.send(ends + bytes.fromhex("88b5") + b"large".ljust(int(sys.argv[2]), b"."))
"""
# Sends more jumbo frames than a socket's own queue has room for, while the relay sleeps.
MANY = """
import socket, sys
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sock.bind(("eth0", 0))
ends = b"\\xff" * 6 + bytes.fromhex(sys.argv[1].replace(":", ""))
os.kill(pid, signal.SIGSTOP)
for _ in range(200):
    sock.send(ends + bytes.fromhex("88b5") + bytes(9000))
os.kill(pid, signal.SIGCONT)
"""


def test_frames_of_any_kind_pass_as_they_are(tmp_path: Path) -> None:
    """VLAN tags, jumbo frames, and those larger than there were when the relay began."""
    jumbo = two(of_b="{delay: 1 ms}").replace("subnet6: auto", "subnet6: auto, mtu: 1500")
    mtus = (1500, 9000)
    with recorded(jumbo, tmp_path / "out") as running:
        mac = plan(jumbo).node("a").ports[0].mac
        for mtu in mtus:
            running.apply(plan(jumbo.replace("mtu: 1500", f"mtu: {mtu}")))
            frames = captured_in(running, "b", ["a", sys.executable, "-c", TAGGED, mac, str(mtu)], 2)
            tagged, large = (
                data for data in frames if data[:6] == b"\xff" * 6 and data[12:14] != b"\x08\x06"
            )
            assert tagged[12:22].hex() == "81000007810000080800"
            assert tagged[22:] == b"tagged".ljust(60, b".")
            assert large[14:] == b"large".ljust(mtu, b".")
        out(running, "a", sys.executable, "-c", RELAY + MANY, mac)
        assert harness.wait_for(lambda: carried(running) + running.wires()["lost"] >= 200)
        assert running.wires()["lost"] == 0


def captured_in(running: Lab, node: str, command: Sequence[str], count: int) -> list[bytes]:
    """Return the frames that come to a node while a command runs, `command` beginning with whose it is."""
    reading, writing = os.pipe()
    with open(reading, "rb") as file:  # noqa: PTH123 — a descriptor
        recorder = running.packets(node, writing)
        os.close(writing)
        reader = Reader(file)
        out(running, command[0], *command[1:])
        found = []
        for frame in reader:
            if frame.data[:6] == b"\xff" * 6 and frame.data[12:14] != b"\x08\x06":
                found.append(frame.data)
            if len(found) == count:
                break
        recorder.close()
    return found


# -- while packets pass ----------------------------------------------------------------------------------

PLAIN = two()
APPLIED = (
    two(of_b="{delay: 20 ms}"),
    two("{delay: 5 ms}", "{loss: 5%}").replace("subnet6: auto", "subnet6: auto, kind: hub"),
    two(of_b="{delay: 20 ms}") + "  c: {wire: {delay: 1 ms}}\n",
    PLAIN,
    two(of_b="{delay: 20 ms}").replace("subnet6: auto", "subnet6: auto, mtu: 1400"),
)


def test_applied_is_as_started_with_wires_too() -> None:
    """A lab that was brought to other wires shows in every node, and between them, what a new one shows."""
    fresh = []
    for text in APPLIED:
        with lab.start(plan(text)) as running:
            fresh.append(looks(running))
    with lab.start(plan(PLAIN)) as running:
        for text, expected in zip(APPLIED, fresh, strict=True):
            running.apply(plan(text))
            assert looks(running) == expected
            assert out(running, "a", "ping", "-c1", "-W5", "10.0.0.2")


def test_a_change_that_fails_is_taken_back() -> None:
    """Where a later step fails, the wires are what they were."""
    failing = "  d: {start: [[sh, -c, 'exit 3']]}\n"
    with lab.start(plan(APPLIED[0])) as running:
        before = looks(running)
        for text in (PLAIN, APPLIED[1], APPLIED[2]):
            with pytest.raises(LabError):
                running.apply(plan(text + failing))
            assert looks(running) == before
        said = out(running, "a", "ping", "-c3", "-i0.1", "10.0.0.2")
    assert float(re.findall(r"time=([\d.]+)", said)[-1]) >= 40


def test_nothing_is_lost_while_wires_come_and_go(tmp_path: Path) -> None:
    """Every ping is answered while the wire is put in and taken out; the record has each packet once."""
    with recorded(PLAIN, tmp_path / "out") as running:
        reading, writing = os.pipe()
        pings = running.launch("a", ["ping", "-q", "-i0.005", "-c300", "10.0.0.2"], stdio=(0, writing, 2))
        os.close(writing)
        for _ in range(4):
            assert [str(one) for one in running.wire("b", "delay=1ms")] == ["b: wire added (delay 1 ms)"]
            assert [str(one) for one in running.wire("b")] == ["b: wire removed (delay 1 ms)"]
        assert running.wire("b") == []
        assert pings.wait(60) == 0
        with open(reading) as said:  # noqa: PTH123 — a descriptor
            assert " 300 received" in said.read()
        pings.close()
    assert_no_two_alike(tmp_path / "out")
    assert len(read_capture(tmp_path / "out" / "capture.pcapng").frames) >= 600


def test_what_comes_after_wires_is_recorded(tmp_path: Path) -> None:
    """A node that is added when the wires have gone is heard like any other."""
    with recorded(APPLIED[0], tmp_path / "out") as running:
        running.apply(plan(PLAIN + "  late:\n"))
        out(running, "late", "ping", "-c1", "-W5", "10.0.0.2")
    lines = trace(tmp_path / "out")
    assert any((line.source, line.protocol) == ("late", "ICMP") for line in lines)


def test_a_record_ends_with_what_was_under_way(tmp_path: Path) -> None:
    """The command ends while what it has sent is held: it arrives, and so does what is sent in return."""
    with recorded(two(of_b="{delay: 200 ms}", subnet6="none"), tmp_path / "out") as running:
        out(running, "a", sys.executable, "-c", SEND, "7", "1")
    last = trace(tmp_path / "out")[-1]
    assert (last.source, last.protocol) == ("b", "ICMP"), last


def test_a_wire_by_name(tmp_path: Path) -> None:
    """What is asked for is refused with a sentence where it cannot be, and listed with what it did."""
    with lab.start(plan(PLAIN)) as running:
        with pytest.raises(UsageError, match="no node 'c'"):
            running.wire("c", "loss=1%")
        with pytest.raises(UsageError, match="no interface 'eth1'"):
            running.wire("b", "loss=1%", interface="eth1")
        running.wire("b", "drop 2nd icmp from b", "delay=1ms", ways=["received"])
        assert running.output("a", ["ping", "-c2", "-i0.01", "-W1", "10.0.0.2"]).returncode == 0
        a, b = running.wires()["cables"]
    assert a["wire"] is None
    assert b["words"] == "drop 2nd icmp from b; received: delay 1 ms"
    assert b["counted"]["sent"]["dropped"] == 1
    assert b["counted"]["received"]["delayed"] >= 2
    assert b["counted"]["received"]["altered"] == 0


# -- what goes wrong -------------------------------------------------------------------------------------

# Do this to the relay, whose output is its log.
RELAY = """
import os, signal, socket, sys, time
from pathlib import Path
def relay():
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            if Path(f"/proc/{pid}/fd/1").readlink().name == "relay.log":
                return pid
        except OSError:
            pass
    sys.exit("there is no relay")
pid = relay()
"""
KILL = (
    RELAY
    + """
os.kill(pid, signal.SIGKILL)
while Path(f"/proc/{pid}").exists():
    time.sleep(0.01)
"""
)
FLOOD = (
    RELAY
    + """
os.kill(pid, signal.SIGSTOP)
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(20000):
    sock.sendto(b"?", ("10.0.0.2", 9))
os.kill(pid, signal.SIGCONT)
"""
)


def test_a_killed_relay_fails_the_run(tmp_path: Path) -> None:
    """It is told, and what was recorded until then is there, not as whole; its wire can be taken off."""
    record: Record = claim(tmp_path / "out", "x")
    with lab.start(plan(two(of_b="{delay: 1 ms}")), record=record) as running:
        out(running, "a", "ping", "-c1", "-W5", "10.0.0.2")
        out(running, "a", sys.executable, "-c", KILL)
        assert harness.wait_for(lambda: running.wires()["lost"] is None)
        with pytest.raises(LabError, match="the wires' relay has ended"):
            running.wire("b", "loss=1%")
        assert running.wires()["lost"] is None
        running.wire("b")
        out(running, "a", "ping", "-c1", "-W5", "10.0.0.2")
        with pytest.raises(ServiceError, match="the wires' relay was killed by SIGKILL while the lab ran"):
            running.finish()
        with pytest.raises(LabError, match="incomplete"):
            record.write_trace()
    assert [line for line in trace(tmp_path / "out") if is_told(line)]


def test_what_a_wire_cannot_carry_is_told(tmp_path: Path) -> None:
    """Packets that come faster than they can be carried are counted, and the run fails."""
    record: Record = claim(tmp_path / "out", "x")
    with lab.start(plan(two(of_b="{}")), record=record) as running:
        out(running, "a", "ping", "-c1", "-W5", "10.0.0.2")
        out(running, "a", sys.executable, "-c", FLOOD)
        assert harness.wait_for(lambda: running.wires()["lost"])
        lost = running.wires()["lost"]
        assert harness.wait_for(lambda: carried(running) + lost >= 20000)
        running.wire("b")
        assert running.wires()["lost"] == lost
        with pytest.raises(ServiceError, match=f"the wires' relay lost {lost} packets that came faster"):
            running.finish()
        with pytest.raises(LabError, match="incomplete"):
            record.write_trace()
    assert "INCOMPLETE" in (tmp_path / "out" / "trace.txt").read_text()


def carried(running: Lab) -> int:
    """Return how many packets have come to b's wire from the others."""
    return int(running.wires()["cables"][1]["counted"]["received"]["packets"])


NO_NETEM = (
    "the wire of node b is to be the kernel's netem, and this kernel has none — "
    "sudo modprobe sch_netem, or leave out engine: netem, and netlab is the wire"
)


def has_netem() -> bool:
    """Whether this kernel has netem, as pyroute2 finds."""
    return try_sandbox()["netem"] == 0


def test_netem_where_there_is_none(tmp_path: Path) -> None:
    """The kernel that has it holds packets so; another is told of in a sentence, and nothing starts."""
    wired = two(of_b="{delay: 20 ms, engine: netem}")
    if not has_netem():
        with pytest.raises(MachineError) as refused:
            lab.start(plan(wired))
        assert str(refused.value) == NO_NETEM
        with lab.start(plan(PLAIN)) as running, pytest.raises(MachineError) as refused:
            running.wire("b", "delay=20ms", "engine=netem")
        assert str(refused.value) == NO_NETEM
        return
    with lab.start(plan(wired)) as running:
        assert_netem_holds(running)
        running.wire("b", "delay=20ms")
        running.wire("b", "delay=20ms", "engine=netem")
        assert_netem_holds(running)
        running.wire("b")
        with lab.start(plan(PLAIN)) as fresh:
            expected = looks(fresh)
        assert looks(running)["a"] == expected["a"]


def assert_netem_holds(running: Lab) -> None:
    """Fail unless each way takes 20 ms, which the relay had no part in."""
    said = out(running, "a", "ping", "-c3", "-i0.1", "10.0.0.2")
    assert float(re.findall(r"time=([\d.]+)", said)[-1]) >= 40
    assert running.wires()["cables"][1]["counted"] is None


@pytest.mark.parametrize("victim", ["supervisor", "relay"])
def test_a_killed_lab_leaves_nothing_of_its_wires(tmp_path: Path, victim: str) -> None:
    """Whichever is killed: processes, links and namespaces end with the lab."""
    file = tmp_path / "wired.yaml"
    file.write_text(two("{delay: 1 ms}", "{loss: 1%}"))
    with harness.own(tmp_path, file, "a") as started:
        started.wait_up()
        init = harness.init_of(started.pid)
        relay = [pid for pid in harness.children(init) if b"relay.log" in output_of(pid)]
        assert len(relay) == 1
        os.kill(init if victim == "supervisor" else relay[0], signal.SIGKILL)
        started.process.communicate("")
        started.footprint.assert_gone()


def output_of(pid: int) -> bytes:
    """Return where a process's output goes."""
    try:
        return os.readlink(f"/proc/{pid}/fd/1".encode())  # noqa: PTH115 — bytes
    except OSError:
        return b""


# -- the command line ------------------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a desk of the test's own."""
    with commandline.desk(tmp_path) as made:
        yield made


def test_the_verb(desk: Desk) -> None:
    """It lists, changes and takes away; a mistake has its sentence and exit status 2; JSON says as much."""
    desk.up("--out", "mine")
    listed = desk.netlab("wire").stdout.splitlines()
    assert listed[0].split() == ["NODE", "INTERFACE", "NETWORK", "WIRE", "SENT", "RECEIVED"]
    nodes = ("client", "dns", "web")
    assert [line.split() for line in listed[1:]] == [[node, "eth0", "lan", "none"] for node in nodes]
    done = desk.netlab("wire", "web", "drop", "1st", "tcp", "data", "from", "web", "delay=1ms")
    assert done.stdout == "web: wire added (drop 1st tcp data from web; delay 1 ms)\n"
    assert desk.netlab("exec", "client", "--", "curl", "-s", "http://web/hello.txt").returncode == 0
    shown = desk.netlab("wire", "web").stdout.splitlines()[1]
    counted = r"delay 1 ms  \d+ packets, 1 dropped, \d+ delayed  \d+ packets, \d+ delayed$"
    assert re.search(counted, shown), shown
    (cable,) = json.loads(desk.netlab("wire", "web", "--json").stdout)["cables"]
    assert (cable["words"] in shown, cable["counted"]["sent"]["dropped"]) == (True, 1)
    for arguments, sentence in (
        (("wbe", "loss=1%"), "lab web has no node 'wbe' — did you mean 'web'?"),
        (("web", "--sent"), "nothing is said of the wire"),
        (("web", "dorp 2nd"), "command line:1:1: unknown action 'dorp'"),
    ):
        done = desk.netlab("wire", *arguments)
        assert (done.returncode, sentence in done.stderr) == (2, True), done.stderr
    changed = json.loads(desk.netlab("wire", "web", "--off", "--json").stdout)["changes"]
    assert [change["text"] for change in changed] == [f"web: wire removed ({cable['words']})"]
    assert desk.netlab("wire", "web", "--off").stdout == "web: the wire is so already\n"
    down = desk.netlab("down")
    assert down.returncode == 0, down.stderr
    assert "dropped by wire" in (desk.directory / "mine" / "trace.txt").read_text()
    desk.assert_nothing_left()
