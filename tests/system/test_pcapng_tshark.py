"""A capture that netlab wrote, as Wireshark's own dissectors read it."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from netlab.lab.catalogue import exercises
from netlab.report.checksum import checksum
from netlab.report.pcapng import Writer, read_capture
from netlab.report.trace import trace_of_capture
from tests.system.shipped import Runs

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")

FIELDS = (
    "frame.interface_name", "frame.interface_description", "frame.time_epoch", "frame.comment",
    "ip.src_host", "ip.dst_host", "tcp.checksum.status", "frame.len", "_ws.malformed",
)  # fmt: skip
CHECKED = [word for name in ("ip", "tcp", "udp") for word in ("-o", f"{name}.check_checksum:TRUE")]
UNSOUND = "_ws.malformed or ip.checksum.status == 0 or tcp.checksum.status == 0 or udp.checksum.status == 0"


def syn() -> bytes:
    """Return a SYN from 10.0.0.10 to 10.0.0.80 with true checksums."""
    ends = bytes((10, 0, 0, 10, 10, 0, 0, 80))
    tcp = struct.pack("!HHIIHHHH", 51515, 80, 1000, 0, 5 << 12 | 2, 8192, 0, 0)
    tcp = tcp[:16] + struct.pack("!H", checksum(ends + struct.pack("!HH", 6, 20) + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, 64, 6, 0) + ends
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return bytes.fromhex("020000000080 020000000010 0800") + ip + tcp


def tshark(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it with names from the file alone: without N it asks no resolver."""
    command = ["tshark", "-N", "n", "-r", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Return a capture with two interfaces, names, a comment and counters."""
    path = tmp_path / "capture.pcapng"
    with path.open("wb") as file:
        writer = Writer(file)
        client = writer.add_interface("client", "node client, network lan")
        web = writer.add_interface("web", "node web, network lan")
        writer.add_names({"10.0.0.10": "client", "10.0.0.80": "web", "fd00::80": "web"})
        writer.packet(client, 1_700_000_000_123_456_789, syn())
        writer.packet(web, 1_700_000_001_000_000_001, syn(), 1514, "held for 200 ms")
        writer.finish(1_700_000_002_000_000_000, received=2, dropped=0)
    return path


def test_tshark_reads_names_times_and_comments(capture: Path) -> None:
    """Interfaces, descriptions, nanoseconds, names, comments; sound checksums, nothing malformed."""
    fields = [word for name in FIELDS for word in ("-e", name)]
    options = ["-o", "tcp.check_checksum:TRUE", "-T", "fields"]
    done = tshark(capture, *options, *fields)
    rows = done.stdout.splitlines()
    assert done.returncode == 0
    first = ["client", "node client, network lan", "1700000000.123456789", "", "client", "web", "1", "54", ""]
    second = ["web", "node web, network lan", "1700000001.000000001", "held for 200 ms", "client", "web"]
    assert rows[0].split("\t") == first
    assert rows[1].split("\t")[:6] == second


def test_tshark_reads_what_a_killed_writer_leaves(capture: Path) -> None:
    """A file that ends within its last block still gives both packets, and a note that it was cut short."""
    capture.write_bytes(capture.read_bytes()[:-20])
    done = tshark(capture)
    assert len(done.stdout.splitlines()) == 2
    assert "cut short" in done.stderr


def unsound(path: Path) -> list[str]:
    """Return the packets that are malformed or whose checksum is not true."""
    done = tshark(path, *CHECKED, "-Y", UNSOUND)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_tshark_would_tell_of_what_is_unsound(tmp_path: Path) -> None:
    """The judge of the next test finds a checksum of IP or of TCP that is wrong, and a header cut short."""
    path, whole = tmp_path / "capture.pcapng", syn()
    with path.open("wb") as file:
        writer = Writer(file)
        writer.add_interface("client")
        for data in (whole, whole[:25] + b"x" + whole[26:], whole[:-1] + b"x"):
            writer.packet(0, 1, data)
        writer.packet(0, 1, bytes.fromhex("020000000080 020000000010 0806 0001"))
        writer.finish(1, 4, 0)
    assert [line.split()[0] for line in unsound(path)] == ["2", "3", "4"]


def who_speaks(path: Path) -> set[str]:
    """Return the nodes that netlab's own trace has for senders of IP packets."""
    lines = [line for line in trace_of_capture(path).lines if line.protocol != "ARP"]
    return {line.source.partition(":")[0] for line in lines}


@pytest.mark.parametrize("name", [each.name for each in exercises() if each.name != "udp"])
def test_tshark_reads_the_record_of_a_lab(runs: Runs, name: str) -> None:
    """Every packet of a shipped lab: none malformed, every checksum true, interfaces and hosts named.

    Not of lab udp, which sends checksums that are wrong, and zero.
    """
    path = runs[name][1] / "capture.pcapng"
    assert unsound(path) == []
    status = "ip.checksum.status", "tcp.checksum.status", "udp.checksum.status"
    wanted = ("frame.interface_name", "ip.src_host", *status)
    fields = [word for field in wanted for word in ("-e", field)]
    rows = tshark(path, *CHECKED, "-Y", "ip", "-T", "fields", *fields).stdout.splitlines()
    packets = [row.split("\t") for row in rows]
    assert len(packets) == sum(frame.data[12:14] == b"\x08\x00" for frame in read_capture(path).frames) > 1
    # 1 is good: neither bad, 0, nor unverified, 2. An ICMP error has two of IP, its own and the quoted one.
    assert all(ip and tcp + udp and not set(ip + tcp + udp) - set("1,") for _, _, ip, tcp, udp in packets)
    assert all(interface == hosts.split(",")[0] for interface, hosts, *_ in packets)
    assert {packet[0] for packet in packets} == who_speaks(path)
