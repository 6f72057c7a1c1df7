"""Labs window, unfinished and rst beyond what holds for every lab: spoilt records, and the other scripts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from netlab import lab, topology
from netlab.lab.catalogue import find
from netlab.lab.record import claim, read_kernel
from netlab.plan import make_plan
from netlab.report.compare import load
from netlab.report.dissect import dissect
from netlab.report.headers import ACK, FIN, Tcp
from netlab.report.pcapng import Writer, read_capture

NETLAB = Path(sys.executable).with_name("netlab")
SCRIPTS = {"window": "client.py", "unfinished": "client.py", "endpoint": "endpoint.py"}

Test = Callable[[str, Tcp, bytes], bool]
"""Whether a segment is meant, by its sender, its header and its data."""


def prove(name: str, run: Path) -> tuple[int, list[int], str]:
    """Judge a record as the lab's proof does: its status, the claims that fall, and all it says."""
    argv = [sys.executable, str(find(name).proof), str(run)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    fallen = [int(line.partition(".")[0]) for line in done.stdout.splitlines() if ". NO " in line]
    return done.returncode, fallen, done.stdout + done.stderr


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Run the scripts that wait for a server's timers, all at the same time, and give their records."""
    top = tmp_path_factory.mktemp("labs")
    web = find("window").topology

    def run(name: str) -> subprocess.CompletedProcess[str]:
        script = find("window" if name == "endpoint" else name).script.with_name(SCRIPTS[name])
        argv = [NETLAB, "run", web, "client", "--out", top / name, "--", script]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    with ThreadPoolExecutor(len(SCRIPTS)) as pool:
        for done in pool.map(run, SCRIPTS):
            assert done.returncode == 0, done.stdout + done.stderr
    return {name: top / name for name in SCRIPTS}


# -- the proofs prove something ------------------------------------------------------------------------


def without(run: Path, meant: Test, *numbers: int) -> None:
    """Take segments out of a capture: those that are meant, or of these only some, counted from 1."""
    capture = read_capture(run / "capture.pcapng")
    count = 0
    with (run / "capture.pcapng").open("wb") as file:
        writer = Writer(file)
        ports = {name: writer.add_interface(name) for name in ("client", "dns", "web")}
        for frame in capture.frames:
            packet = dissect(frame.data, frame.original_length)
            if isinstance(packet.transport, Tcp) and meant(frame.interface, packet.transport, packet.payload):
                count += 1
                if not numbers or count in numbers:
                    continue
            writer.packet(ports[frame.interface], frame.time_ns, frame.data, frame.original_length)
        writer.finish(0, received=0, dropped=0)


def says_nothing(sender: str, tcp: Tcp, data: bytes) -> bool:
    """Tell a mere ACK of the server's; but for that of the GET, a probe."""
    return sender == "web" and not data and tcp.flags == ACK


def has_data(sender: str, tcp: Tcp, data: bytes) -> bool:
    """Tell a piece of the response."""
    return sender == "web" and bool(data)


def closes_the_window(sender: str, tcp: Tcp, data: bytes) -> bool:
    """Tell an ACK of the client's with window 0."""
    return sender == "client" and tcp.flags == ACK and tcp.window == 0


def has_fin(sender: str, tcp: Tcp, data: bytes) -> bool:
    """Tell a FIN of the client's."""
    return sender == "client" and bool(tcp.flags & FIN)


@pytest.mark.parametrize(
    ("name", "meant", "numbers", "claims"),
    [
        ("window", says_nothing, (2,), [5, 6]),
        ("window", closes_the_window, (), [1]),
        ("window", closes_the_window, (2,), [6]),
        ("window", has_data, (20,), [8]),
        ("unfinished", has_data, (5,), [2, 3, 5]),  # four are sent at once, then the first again, twice
        ("unfinished", has_data, (3,), [6, 8]),
        ("unfinished", has_data, (30,), [8]),
        ("unfinished", has_fin, (), [9]),
    ],
)
def test_a_spoilt_record_proves_nothing(
    runs: dict[str, Path], tmp_path: Path, name: str, meant: Test, numbers: tuple[int, ...], claims: list[int]
) -> None:
    """Without a segment that matters, the claims that rest on it fall, and no others."""
    shutil.copytree(runs[name], tmp_path / "run")
    assert prove(name, tmp_path / "run")[:2] == (0, [])
    without(tmp_path / "run", meant, *numbers)
    status, fallen, said = prove(name, tmp_path / "run")
    assert (status, fallen, "Traceback" in said) == (1, claims, False), said


def test_the_endpoint_is_such_a_receiver(runs: dict[str, Path]) -> None:
    """What lab window claims of the script by hand is true of the endpoint, whose user does not read."""
    assert prove("window", runs["endpoint"])[:2] == (0, [])


# -- lab rst's other cures -----------------------------------------------------------------------------


def test_two_other_cures(tmp_path: Path) -> None:
    """From an address that is nobody's, and with a socket that drops all, the page comes; there is no RST."""
    rst = find("rst")
    here = rst.readme.parent
    record = claim(tmp_path / "run", "cures")
    with lab.start(make_plan(topology.load(rst.topology)), record=record, visible=[here]) as running:
        for words in (["address.py"], ["address.py", "10.0.0.7"], ["holder.py", "deaf"]):
            done = running.output("client", [str(here / words[0]), *words[1:]])
            assert done.returncode == 0, (words, done.stdout, done.stderr)
            assert "Hello from the lab." in done.stdout
        running.finish()
    record.write_trace()
    lines = load(tmp_path / "run")
    assert not [line for line in lines if "RST" in line.text]
    counted = read_kernel(tmp_path / "run")["client"]
    strangers = [line for line in lines if line.protocol == "TCP" and line.destination.startswith("10.")]
    assert counted["Ip"]["InAddrErrors"] == len(strangers) == 8
    assert counted["Tcp"]["OutRsts"] == 0
    assert "rules" not in json.loads((tmp_path / "run" / "kernel.json").read_text())["client"]


def test_sockets_that_cure_nothing(tmp_path: Path) -> None:
    """A socket that is merely bound, or listens, leaves the SYN-ACK to the kernel, which answers with RST."""
    rst = find("rst")
    here = rst.readme.parent
    with lab.start(make_plan(topology.load(rst.topology)), visible=[here]) as running:
        for how in ("bound", "listening"):
            done = running.output("client", [str(here / "holder.py"), how])
            assert (done.returncode, "Traceback" in done.stderr) == (1, False)
            assert "RST from the server" in done.stderr
        done = running.output("client", [str(here / "holder.py")])
        assert done.stderr == "Usage: holder.py bound|listening|deaf\n"
