"""Labs udp and ordering beyond what holds for every lab: spoilt records, and ordering's endpoint."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from netlab.lab.catalogue import find
from netlab.report.compare import load
from netlab.report.dissect import dissect
from netlab.report.frame import Frame
from netlab.report.headers import ACK, FIN, Packet, Tcp, Udp
from netlab.report.pcapng import Writer, read_capture

NETLAB = Path(sys.executable).with_name("netlab")
SCRIPTS = {"udp": "client.py", "ordering": "client.py", "endpoint": "endpoint.py"}

Test = Callable[[Frame, Packet], bool]
"""Whether a packet is meant."""


def fallen(name: str, run: Path) -> list[int]:
    """Judge a record as the lab's proof does; return the numbers of the claims that do not hold."""
    claims = runpy.run_path(str(find(name).proof))["prove"](run)
    return [number for number, (holds, _) in enumerate(claims, 1) if not holds]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Run the scripts, all at the same time, and give their records."""
    top = tmp_path_factory.mktemp("labs")

    def run(name: str) -> subprocess.CompletedProcess[str]:
        lab = find("ordering" if name == "endpoint" else name)
        script = lab.script.with_name(SCRIPTS[name])
        argv = [NETLAB, "run", lab.topology, "client", "--out", top / name, "--", script]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    with ThreadPoolExecutor(len(SCRIPTS)) as pool:
        for done in pool.map(run, SCRIPTS):
            assert done.returncode == 0, done.stdout + done.stderr
    return {name: top / name for name in SCRIPTS}


def rewritten(run: Path, to: Path, change: Callable[[int, Frame], str | None]) -> Path:
    """Copy a record, with what is said of each packet as `change` has it; None leaves the packet out."""
    capture = read_capture(run / "capture.pcapng")
    shutil.copytree(run, to, dirs_exist_ok=True)
    with (to / "capture.pcapng").open("wb") as file:
        writer = Writer(file)
        numbers = {one.name: writer.add_interface(one.name) for one in capture.interfaces}
        for index, frame in enumerate(capture.frames):
            comment = change(index, frame)
            if comment is not None:
                number = numbers[frame.interface]
                writer.packet(number, frame.time_ns, frame.data, frame.original_length, comment)
        writer.finish(0, received=0, dropped=0)
    return to


def without(run: Path, to: Path, meant: Test, numbers: tuple[int, ...]) -> Path:
    """Copy a record without some packets: of those that are meant, the ones of these numbers, from 1."""
    frames = read_capture(run / "capture.pcapng").frames
    found = [at for at, frame in enumerate(frames) if meant(frame, dissect(frame.data))]
    gone = {found[number - 1] for number in numbers}
    return rewritten(run, to, lambda at, frame: None if at in gone else frame.comment)


# -- the proofs prove something ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["udp", "ordering"])
def test_a_record_is_judged_by_what_the_wire_did(runs: dict[str, Path], tmp_path: Path, name: str) -> None:
    """The record proves all; the same packets without the wire's remarks, each of them, prove less."""
    whole = rewritten(runs[name], tmp_path / "whole", lambda _, frame: frame.comment)
    assert fallen(name, whole) == []
    frames = read_capture(whole / "capture.pcapng").frames
    remarked = [at for at, frame in enumerate(frames) if "by wire" in frame.comment]
    assert len(remarked) == {"udp": 5, "ordering": 6}[name]
    for number, gone in enumerate(remarked):
        part = rewritten(
            whole,
            tmp_path / str(number),
            lambda at, frame, gone=gone: "" if at == gone else frame.comment,
        )
        assert fallen(name, part), frames[gone].comment


def test_no_datagram_may_be_missing(runs: dict[str, Path], tmp_path: Path) -> None:
    """Without any one of the queries and replies, a claim of lab udp falls."""
    frames = read_capture(runs["udp"] / "capture.pcapng").frames
    datagrams = [at for at, frame in enumerate(frames) if isinstance(dissect(frame.data).transport, Udp)]
    assert len(datagrams) == 21
    for gone in datagrams:
        part = rewritten(
            runs["udp"], tmp_path / "part", lambda at, frame, gone=gone: None if at == gone else frame.comment
        )
        assert fallen("udp", part), gone


def is_request(frame: Frame, packet: Packet) -> bool:
    """Tell client's GET."""
    return frame.interface == "client" and isinstance(packet.transport, Tcp) and bool(packet.payload)


def is_piece(frame: Frame, packet: Packet) -> bool:
    """Tell a piece of the response."""
    return frame.interface == "web" and isinstance(packet.transport, Tcp) and bool(packet.payload)


def is_ack(frame: Frame, packet: Packet) -> bool:
    """Tell a mere ACK of client's; the first one completes the handshake."""
    return frame.interface == "client" and isinstance(packet.transport, Tcp) and packet.transport.flags == ACK


def is_fin(frame: Frame, packet: Packet) -> bool:
    """Tell client's FIN."""
    sent = packet.transport
    return frame.interface == "client" and isinstance(sent, Tcp) and bool(sent.flags & FIN)


@pytest.mark.parametrize(
    ("meant", "numbers", "claims"),
    [
        (is_request, (2,), [1, 2]),
        (is_piece, (5,), [3, 9, 10]),  # the one that is late
        (is_piece, (23,), [4, 9, 10]),  # the 15th, which was lost, once more
        (is_piece, (38,), [5, 9, 10]),  # the one that was damaged, once more
        (is_piece, (50,), [9, 10]),
        (is_piece, (60,), [8]),  # the last one, which was lost
        (is_piece, (61,), [8, 9, 10]),  # the same, once more
        (is_ack, (6, 7), [3]),  # which ask for the one that is late
        (is_fin, (1,), [11]),
    ],
)
def test_a_spoilt_record_proves_nothing(
    runs: dict[str, Path], tmp_path: Path, meant: Test, numbers: tuple[int, ...], claims: list[int]
) -> None:
    """Without a segment that matters, the claims of lab ordering that rest on it fall, and no others."""
    run = without(runs["ordering"], tmp_path / "run", meant, numbers)
    assert fallen("ordering", run) == claims


@pytest.mark.parametrize(
    ("name", "node", "protocol", "claims"),
    [("udp", "dns", "Udp", [3]), ("ordering", "web", "Tcp", [1]), ("ordering", "client", "Tcp", [6])],
)
def test_the_kernels_have_their_say(
    runs: dict[str, Path], tmp_path: Path, name: str, node: str, protocol: str, claims: list[int]
) -> None:
    """Where a kernel has not counted the wrong checksum, it may be that nothing was wrong."""
    shutil.copytree(runs[name], tmp_path / "run")
    path = tmp_path / "run" / "kernel.json"
    counted = json.loads(path.read_text())
    counted[node][protocol]["InCsumErrors"] = 0
    path.write_text(json.dumps(counted))
    assert fallen(name, tmp_path / "run") == claims


# -- the endpoint --------------------------------------------------------------------------------------


def test_the_endpoint_is_such_a_receiver(runs: dict[str, Path]) -> None:
    """What lab ordering claims of the script by hand is true of the endpoint.

    But the server, which is told by SACK what has come, may not wait for three duplicate ACKs (RFC 8985).
    """
    assert set(fallen("ordering", runs["endpoint"])) <= {4, 5}
    lines = load(runs["endpoint"])
    assert [line for line in lines if line.source.startswith("client:") and "sack=" in line.text]
    done = [line for line in lines if "by wire" in line.text]
    assert len(done) == 6
