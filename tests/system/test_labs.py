"""The shipped labs on real packets: what a student sees, what is recorded, and that every run is the same."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab import lab, topology
from netlab.lab.catalogue import exercises, find
from netlab.lab.record import claim, read_kernel
from netlab.plan import make_plan
from netlab.report.compare import compare, load, normalise
from netlab.report.dissect import dissect
from netlab.report.frame import Frame
from netlab.report.headers import FIN, RST, SYN, Icmp, Packet, Tcp, Udp
from netlab.report.pcapng import Writer, read_capture
from netlab.topology.model import ExecService, Service
from tests.system.shipped import SEED, Runs, netlab, run_lab

LABS = ("ports", "dns", "headers", "udp", "handshake")
LABS += ("close", "ordering", "window", "rst", "unfinished")
SPACE = 2**32
LAST_PORT = 65535
# Lab → the labs in whose records all of its own is found, too.
INCLUDING = {"dns": {"headers"}}
KERNELS = re.compile(
    r":(3276[89]|327[7-9]\d|32[89]\d\d|3[3-9]\d{3}|4[0-8]\d{3}|490\d\d|491[0-4]\d|4915[01])$"
)

# Runs a lab so often alone, and as often at once. Scapy is imported once: each lab's interpreter is a fork.
REPEAT = """
import os, sys, traceback
from pathlib import Path
import scapy.all
from netlab import lab, topology
from netlab.lab.catalogue import find
from netlab.lab.record import claim
from netlab.plan import make_plan

name, out, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[4])
exercise = find(name)
plan = make_plan(topology.load(exercise.topology), seed=int(sys.argv[3]))

def run(number):
    record = claim(out / str(number), name)
    with lab.start(plan, record=record, warm=True, visible=(exercise.script.parent,)) as running:
        done = running.output(exercise.node, [str(exercise.script), *exercise.arguments], seconds=30)
        running.finish()
    record.write_trace()
    if done.returncode:
        print(f"run {number}: {done.returncode} {done.stderr}", file=sys.stderr, flush=True)
    return done.returncode

for numbers in (*([number] for number in range(count)), range(count, 2 * count)):
    children = []
    for number in numbers:
        child = os.fork()
        if child == 0:
            status = 99
            try:
                status = run(number)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        children.append(child)
    if any([os.waitpid(child, 0)[1] for child in children]):
        sys.exit("a run failed")
"""


def prove(name: str, run: Path) -> subprocess.CompletedProcess[str]:
    """Judge a record as the lab's proof does."""
    argv = [sys.executable, str(find(name).proof), str(run)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def normal_form(run: Path) -> str:
    """Return the trace without what no seed decides: each direction of each flow by itself, no times."""
    rows = []
    for (protocol, *ends), texts in sorted(normalise(load(run)).items()):
        source, destination = (KERNELS.sub(":KERNEL", end) for end in ends)
        rows += [f"{protocol}  {source} > {destination}", *(f"    {text}" for text in texts)]
    return "\n".join(rows) + "\n"


# -- what a student sees -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LABS)
def test_a_lab_succeeds(runs: Runs, name: str) -> None:
    """The exit status is 0, every point of evidence holds, and nothing but the lab's own words is said."""
    done, out = runs[name]
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n1. yes  " in done.stdout
    assert ". NO " not in done.stdout
    assert f"recorded in {out}/" in done.stdout + done.stderr
    assert not [word for word in ("WARNING", "Warning", "Traceback") if word in done.stdout + done.stderr]


def test_dns_prints_the_answer(runs: Runs) -> None:
    """The packet sent, the packet got, and the answer on a line of its own."""
    lines = runs["dns"][0].stdout.splitlines()
    assert "www.lab.test. A 10.0.0.80" in lines
    assert lines.count("###[ UDP ]###") == 2
    assert [line[:2] for line in lines if line[:1].isdigit()][:7] == [f"{n}." for n in range(1, 8)]
    assert len(lines) < 150


def test_handshake_prints_what_was_fetched(runs: Runs, root: Path) -> None:
    """Status line, length and digest are those of the file that is served, and the server says the same."""
    page = (root / "topologies" / "www" / "index.html").read_bytes()
    assert len(page) >= 64 * 1024
    said = runs["handshake"][0].stdout
    assert "8. HTTP/1.1 200 OK\n" in said
    assert f"{len(page)} bytes of body, SHA-256 {hashlib.sha256(page).hexdigest()}\n" in said
    assert "the same as what the server holds: yes\n" in said


def test_rst_names_the_culprit(runs: Runs) -> None:
    """The script tells of both RSTs, and the proof concludes."""
    said = runs["rst"][0].stdout
    assert "Our node had answered that already, but not by this script" in said
    assert "RST from 10.0.0.80, the server" in said
    assert "see lab rst" not in said
    assert "So the client's kernel sent the RST: " in said


def test_udp_shows_what_comes(runs: Runs) -> None:
    """Silence where a datagram is lost or damaged, three times; ids in another order, and one twice."""
    scenes = re.split(
        r"^\d\. ", runs["udp"][0].stdout.partition("what the record shows")[0], flags=re.MULTILINE
    )
    ids = [(re.findall(r"───> id +(\w+)", each), re.findall(r"<─── id +(\w+)", each)) for each in scenes[1:]]
    assert [each.count("1 s of silence") for each in scenes[1:]] == [0, 0, 1, 0, 1, 1, 0, 0]
    for sent, heard in (ids[0], ids[1]):
        assert sent == heard
    assert (len(ids[2][0]), ids[2][1]) == (1, [])
    assert int(ids[3][0][0], 16) ^ int(ids[3][1][0], 16) == 0x100
    for sent, heard in (ids[4], ids[5]):
        assert sent == heard * 2
    assert ids[6][0] == ids[6][1][::-1]
    assert ids[7][0] * 2 == ids[7][1]


@pytest.mark.parametrize("name", ["dns", "udp"])
def test_ids_stand_on_the_screen_as_in_the_trace(runs: Runs, name: str) -> None:
    """A DNS message that the script shows is found by its id; the worksheet's ids are those of a run."""
    done, out = runs[name]
    told = set(re.findall(r"\bid [^;\n]*?(0x[0-9a-f]{4})\b", done.stdout))
    assert told
    traced = set(re.findall(r"DNS (0x[0-9a-f]{4})", (out / "trace.txt").read_text()))
    assert told <= traced
    assert set(re.findall(r"id (0x[0-9a-f]{4})", find(name).readme.read_text())) <= told


def test_the_worksheets_ports_are_those_of_a_run(runs: Runs) -> None:
    """The ports in lab ports' figure are found in the trace."""
    figure = re.findall(r"^ +port (\d+)  ───", find("ports").readme.read_text(), re.MULTILINE)
    text = (runs["ports"][1] / "trace.txt").read_text()
    assert len(figure) == 4
    assert all(f"client:{port} > web:" in text for port in figure)


def test_ordering_tells_what_was_made_good(runs: Runs) -> None:
    """The GET is sent again; what is early is kept, damaged or double dropped; the page is whole."""
    said = runs["ordering"][0].stdout
    assert "   1.0 s without an ACK of our GET: sent again\n" in said
    assert said.count(", too early: kept. We say once more: 5840 is next.\n") == 2
    assert said.count(": the gap is closed. ") == 3
    assert said.count(", damaged: b'!ACK: the client say'… Dropped, without a word.\n") == 1
    assert said.count(", which we have: dropped. ") == 1
    assert "2. HTTP/1.1 200 OK, 83059 bytes, SHA-256 " in said


def test_ports_shows_who_answers(runs: Runs) -> None:
    """65535 is drawn, 65536 and 0 are refused, and each closed port is answered in its own way."""
    said = runs["ports"][0].stdout
    assert "was 65535 itself" in said
    assert "from 65535 to 53; the answer: from 53 to 65535\n" in said
    assert "port must be 0-65535" in said
    assert "sendto: Invalid argument\n" in said
    assert "###[ UDP in ICMP ]###" in said
    sent, rst = (re.search(rf"   {word} +seq=(\d+) +ack=(\d+)", said) for word in ("sent S", "got  RA"))
    assert sent
    assert rst
    assert rst.groups() == ("0", str((int(sent[1]) + 1) % SPACE))
    assert "web 8080: Hello from the server of port 8080.\n" in said


def test_headers_draws_what_was_sent(runs: Runs) -> None:
    """What the script draws of its own bytes is what the record's packets look like; the sums are theirs."""
    done, out = runs["headers"]
    for number in (3, 10, 11):  # the query, SYN, SYN-ACK
        told = netlab("trace", "show", out, "--headers", str(number))
        assert told.returncode == 0, told.stderr
        *_, transport = re.split(r"\n\n(?=IPv4,|UDP,|TCP,)", told.stdout.rstrip("\n"))
        assert transport in done.stdout
    assert done.stdout.count(": the same as in the packet, ") == 3


def test_a_packet_that_cannot_be_drawn(runs: Runs) -> None:
    """ARP has no such headers, and a number may be too large: a sentence, and exit status 2."""
    for number, what in (("1", "packet 1 is no IP packet: "), ("99", "12 packets, and no number 99")):
        done = netlab("trace", "show", runs["headers"][1], "--headers", number)
        assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (2, "", False)
        assert what in done.stderr


def test_close_shows_both_ends(runs: Runs) -> None:
    """Each way to close shows its states, those of the server's kernel too, and TIME-WAIT stays."""
    said = runs["close"][0].stdout
    for ours, theirs in (
        ("TIME-WAIT", "CLOSED"),
        ("CLOSE-WAIT", "FIN-WAIT-2"),
        ("CLOSED", "TIME-WAIT"),
        ("ESTABLISHED", "ESTABLISHED"),
        ("FIN-WAIT-1", "CLOSING"),
        ("TIME-WAIT", "TIME-WAIT"),
    ):
        assert f"   client is in {ours}, web's kernel in {theirs}\n" in said
    assert re.search(r"───> ACK +seq=\d+ ack=\d+ +CLOSING\n", said)
    assert "/proc/net/tcp has it in TIME-WAIT.\n" in said
    assert "A server that wants this port gets: Address already in use\n" in said
    if shutil.which("ss"):
        assert re.search(r"TIME-WAIT .* timer:\(timewait,(60|5\d)sec", said)


def test_window_tells_of_the_probes(runs: Runs) -> None:
    """The window closes, two probes come, and the whole page in the end."""
    said = runs["window"][0].stdout
    assert "4. We have acknowledged 5840 bytes and read none of them: our window is 0.\n" in said
    assert said.count(" s later, probe ") == 2
    assert "7. HTTP/1.1 200 OK\n   83059 bytes, SHA-256 " in said


def test_unfinished_ends_with_the_page(runs: Runs) -> None:
    """Two repetitions are seen before the page's end."""
    said = runs["unfinished"][0].stdout
    assert said.count("s of silence, then bytes 0 to 1459 again\n") == 2
    assert "4. HTTP/1.1 200 OK, 83059 bytes, SHA-256 " in said
    assert "\n<p>If you see this line, and the numbers above have no gap, TCP has kept its promise" in said


# -- what is recorded ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LABS)
def test_the_trace_is_the_golden_one(runs: Runs, golden: Callable[[str, str], None], name: str) -> None:
    """Every packet of the default seed's run is known, field by field."""
    golden(f"labs/{name}.txt", normal_form(runs[name][1]))


def log_of(node: str, service: Service) -> str:
    """Return the name of a service's log."""
    kept = isinstance(service, ExecService)
    return f"{node}.{service.name}.log" if kept else f"{node}-{service.called}.log"


@pytest.mark.parametrize("name", LABS)
def test_the_record_is_complete(runs: Runs, name: str) -> None:
    """Capture, trace, counters and each service's log are there; nothing was lost."""
    _, out = runs[name]
    assert sorted(path.name for path in out.iterdir()) == [
        ".netlab-run",
        "capture.pcapng",
        "kernel.json",
        "logs",
        "services.json",
        "trace.txt",
    ]
    nodes = topology.load(find(name).topology).nodes
    logs = {log_of(node.name, service) for node in nodes for service in node.services}
    assert {path.name for path in (out / "logs").iterdir()} == logs
    assert "INCOMPLETE" not in (out / "trace.txt").read_text()


def test_the_rule_held_back_every_rst(runs: Runs) -> None:
    """In lab handshake the client's kernel answered every segment that it got with RST, and none left."""
    out = runs["handshake"][1]
    client = read_kernel(out)["client"]
    segments = [line for line in load(out) if line.protocol == "TCP" and line.source == "web:80"]
    assert client["rules"]["hold-back-rst"] == client["Tcp"]["OutRsts"] == len(segments) > 57


def numbers_drawn(run: Path) -> tuple[int, ...]:
    """Return what the script drew, from the capture: a query's port and id, or a SYN's port and ISN."""
    for frame in read_capture(run / "capture.pcapng").frames:
        packet = dissect(frame.data, frame.original_length)
        if isinstance(packet.transport, Udp):
            return packet.transport.source_port, int.from_bytes(packet.payload[:2])
        if isinstance(packet.transport, Tcp):
            return packet.transport.source_port, packet.transport.sequence
    raise AssertionError("no query and no SYN")


@pytest.mark.parametrize("name", LABS)
def test_a_seed_decides_what_is_drawn(runs: Runs, tmp_path: Path, name: str) -> None:
    """On the wire, source port, ISN and DNS id all differ with another seed."""
    drawn = numbers_drawn(runs[name][1])
    assert drawn[0] in range(49152, 65536)
    done = run_lab(name, tmp_path / "7", seed=7)
    assert done.returncode == 0, done.stdout + done.stderr
    others = numbers_drawn(tmp_path / "7")
    assert all(one != other for one, other in zip(drawn, others, strict=True))
    assert not compare(load(runs[name][1]), load(tmp_path / "7")).same


def test_a_nodes_kernel_is_set_as_planned(tmp_path: Path) -> None:
    """What stands in a node is the plan's, not the host's; what the kernel does not have is passed over."""
    web = find("handshake").topology
    wanted = dict(make_plan(topology.load(web)).node("client").sysctls)
    (tmp_path / "read.py").write_text(
        "import json, sys\nfrom pathlib import Path\n"
        "files = {key: Path('/proc/sys', key.lstrip('-').replace('.', '/')) for key in sys.argv[1:]}\n"
        "print(json.dumps({k: f.read_text().split() for k, f in files.items() if f.exists()}))\n"
    )
    done = netlab("run", web, "client", "--out", tmp_path / "run", "--", "read.py", *wanted, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[0])
    assert found == {key: value.split() for key, value in wanted.items() if key in found}
    assert all(key in found or key.startswith("-") for key in wanted)


SLOW = """
import builtins, runpy, sys, time
say = builtins.print
def slowly(*words, **options):
    time.sleep(1.2)
    say(*words, **options)
builtins.print = slowly
sys.argv = [sys.argv[1], "/hello.txt"]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_slow_terminal_alters_no_packet(tmp_path: Path) -> None:
    """Every line that lab handshake prints may take longer than the server's patience, one second."""
    exercise = find("handshake")
    (tmp_path / "slow.py").write_text(SLOW)
    loads = []
    for name, words in (("slow", ["slow.py", exercise.script]), ("fast", [exercise.script, "/hello.txt"])):
        done = netlab(
            "run", exercise.topology, "client", "--out", tmp_path / name, "--", *words, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout + done.stderr
        loads.append(load(tmp_path / name))
    assert str(compare(*loads)).startswith("the same ")


def test_a_neighbour_is_probed_no_sooner_than_in_a_minute(tmp_path: Path) -> None:
    """A script that takes six seconds has no ARP in its trace but what it began with (Linux: after five)."""
    (tmp_path / "pause.py").write_text(
        "from scapy.all import *\n"
        "import time\n"
        "for port in (50000, 50001):\n"
        "    sr1(IP(dst='web') / TCP(sport=port, dport=81), timeout=2, verbose=False)\n"
        "    time.sleep(6 if port == 50000 else 0)\n"
    )
    web = find("handshake").topology
    done = netlab("run", web, "client", "--out", tmp_path / "run", "--", "pause.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = load(tmp_path / "run")
    assert len([line for line in lines if line.protocol == "TCP"]) == 4
    assert [line.text for line in lines if line.protocol == "ARP" and line.source == "web"] == [
        line.text for line in lines[1:2]
    ]


# -- the proofs prove something ------------------------------------------------------------------------


@pytest.mark.parametrize("name", LABS)
def test_no_packets_prove_nothing(runs: Runs, tmp_path: Path, name: str) -> None:
    """A record without packets, or without a capture at all, is no proof: a sentence, exit status 1."""
    shutil.copytree(runs[name][1], tmp_path / "run")
    with (tmp_path / "run" / "capture.pcapng").open("wb") as file:
        writer = Writer(file)
        writer.add_interface("client")
        writer.finish(0, received=0, dropped=0)
    done = prove(name, tmp_path / "run")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "no packets recorded\n")
    (tmp_path / "run" / "capture.pcapng").unlink()
    done = prove(name, tmp_path / "run")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "capture.pcapng" in done.stderr


@pytest.mark.parametrize("name", LABS)
def test_another_labs_record_is_no_proof(runs: Runs, name: str) -> None:
    """Each proof turns down the records of the other labs; one of them by exit status too."""
    others = sorted(set(LABS) - {name} - INCLUDING.get(name, set()))
    assert [other for other in others if verdict(name, runs[other][1])] == []
    done = prove(name, runs[others[0]][1])
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stdout + done.stderr
    assert "NO " in done.stdout


def rewritten(run: Path, to: Path, change: Callable[[int, Frame], bytes | None]) -> Path:
    """Write a record's packets anew, as they are changed; None leaves one out."""
    capture = read_capture(run / "capture.pcapng")
    to.mkdir(exist_ok=True)
    with (to / "capture.pcapng").open("wb") as file:
        writer = Writer(file)
        numbers = {one.name: writer.add_interface(one.name) for one in capture.interfaces}
        for index, frame in enumerate(capture.frames):
            data = change(index, frame)
            if data is not None:
                writer.packet(numbers[frame.interface], frame.time_ns, data)
        writer.finish(0, received=0, dropped=0)
    return to


def verdict(name: str, run: Path) -> bool:
    """Tell whether a lab's proof holds of a record."""
    proof = find(name).proof
    assert proof is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(proof.parent)  # it finds what lies beside it
        claims = runpy.run_path(str(proof))["prove"](run)
    return all(holds for holds, _ in claims)


def matters(name: str, sender: str, packet: Packet) -> bool:
    """Tell whether a lab's proof rests on this packet."""
    told = packet.transport
    if name == "ports" and sender != "client":
        answers = isinstance(told, Udp) and told.destination_port == LAST_PORT
        return answers or isinstance(told, Icmp) or (isinstance(told, Tcp) and bool(told.flags & (SYN | RST)))
    if name == "close":
        states = isinstance(told, Udp) and sender == "web"
        return states or (isinstance(told, Tcp) and bool(told.flags & (SYN | FIN | RST)))
    return False


@pytest.mark.parametrize(("name", "most"), [("ports", 9), ("close", 30)])
def test_a_record_that_lacks_a_packet_is_no_proof(runs: Runs, tmp_path: Path, name: str, most: int) -> None:
    """Without any one of the packets that a lab's claims are about, one of them does not hold."""
    run = runs[name][1]
    whole = rewritten(run, tmp_path / "whole", lambda _, frame: frame.data)
    assert verdict(name, whole)
    frames = read_capture(run / "capture.pcapng").frames
    rests = [at for at, frame in enumerate(frames) if matters(name, frame.interface, dissect(frame.data))]
    assert len(rests) >= most
    for gone in rests:
        part = rewritten(
            run, tmp_path / "part", lambda at, frame, gone=gone: None if at == gone else frame.data
        )
        assert not verdict(name, part), dissect(frames[gone].data).transport


def test_a_header_that_was_altered_is_no_proof(runs: Runs, tmp_path: Path) -> None:
    """Whichever byte of the query, the SYN or the SYN-ACK was another one, lab headers' proof fails."""
    run = runs["headers"][1]
    frames = read_capture(run / "capture.pcapng").frames
    assert verdict("headers", rewritten(run, tmp_path / "whole", lambda _, frame: frame.data))
    for number in (2, 9, 10):
        transport = dissect(frames[number].data).transport
        assert isinstance(transport, Tcp | Udp)
        for at in range(transport.offset, transport.offset + transport.header_length):
            data = bytearray(frames[number].data)
            data[at] ^= 1
            part = rewritten(
                run,
                tmp_path / "part",
                lambda index, frame, number=number, data=bytes(data): data if index == number else frame.data,
            )
            assert not verdict("headers", part), (number, at)


@pytest.mark.parametrize(
    ("disguise", "verdicts"),
    [
        ("", ["yes", "yes", "NO", "yes", "NO", "yes"]),
        (", id=0, flags='DF'", ["yes", "yes", "yes", "yes", "NO", "yes"]),
    ],
)
def test_a_forged_rst_is_no_proof(tmp_path: Path, disguise: str, verdicts: list[str]) -> None:
    """An RST that a script sends, at the right time with the right seq, is found out.

    A careful forger writes as the kernel does; but the kernel's own was held back, and counted.
    """
    (tmp_path / "forger.py").write_text(
        "from scapy.all import *\n"
        "syn = IP(dst='web') / TCP(sport=50000, dport=80, seq=1000, flags='S')\n"
        "answer = sr1(syn, timeout=2, verbose=False)\n"
        "rst = TCP(sport=50000, dport=80, seq=answer.ack, window=0, flags='R')\n"
        f"send(IP(dst='web'{disguise}) / rst, verbose=False)\n"
    )
    web = find("handshake").topology
    done = netlab("run", web, "client", "--out", tmp_path / "run", "--", "forger.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    judged = prove("rst", tmp_path / "run")
    assert (judged.returncode, [line.split()[1] for line in judged.stdout.splitlines()]) == (1, verdicts)
    assert "not proved" in judged.stderr


# -- the scripts, used otherwise -----------------------------------------------------------------------


def pages(tmp_path: Path) -> Path:
    """Write a topology as the shipped one, with pages of many sizes."""
    content = tmp_path / "www"
    content.mkdir()
    for size in (0, 10, 1459, 11680, 100_000):
        (content / f"{size}.txt").write_bytes(bytes(number % 251 for number in range(size)))
    shipped = find("handshake").topology.read_text()
    (tmp_path / "pages.yaml").write_text(shipped)
    return tmp_path / "pages.yaml"


def test_pages_of_every_size(tmp_path: Path) -> None:
    """An empty page, ten bytes, around the window, beyond it, and none at all; A at the end of its space."""
    plan = make_plan(topology.load(pages(tmp_path)))
    script = find("handshake").script
    record = claim(tmp_path / "run", "pages")
    with lab.start(plan, record=record, visible=(script.parent, tmp_path)) as running:
        for words, said in (
            (["/0.txt"], "   0 bytes of body"),
            (["/10.txt", "--isn", str(SPACE - 1)], "   10 bytes of body"),
            (["/1459.txt", "--isn", str(SPACE - 30)], "   1459 bytes of body"),
            (["/11680.txt"], "   11680 bytes of body"),
            (["/100000.txt"], "   100000 bytes of body"),
            (["/gone.txt"], "8. HTTP/1.1 404 Not Found"),
        ):
            done = running.output("client", [str(script), *words])
            assert done.returncode == 0, (words, done.stdout, done.stderr)
            assert said in done.stdout
            assert ("past 2³² and on from 0" in done.stdout) == ("--isn" in words)
            assert f"holds: {'it does not say' if '404' in said else 'yes'}\n" in done.stdout
        running.finish()
    record.write_trace()
    remarks = {remark for line in load(tmp_path / "run") for remark in line.remarks}
    assert not [remark for remark in remarks if "HTTP" not in remark]


def test_an_unexpected_rst_is_explained(tmp_path: Path) -> None:
    """Without the rule, and without being told, the script ends with status 1 and says why; no traceback."""
    rst = find("rst")
    done = netlab("run", rst.topology, "client", "--out", tmp_path / "run", "--", rst.script)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "RST from 10.0.0.80, the server" in done.stdout
    assert "see lab rst" in done.stdout


def test_an_rst_to_the_syn_is_not_the_expected_one(tmp_path: Path) -> None:
    """Where nothing listens the script fails, though told to expect an RST, and says what it answers."""
    (tmp_path / "bare.yaml").write_text("nodes: {client: , web: }\n")
    words = (find("handshake").script, "--expect-rst")
    done = netlab("run", tmp_path / "bare.yaml", "client", "--out", tmp_path / "run", "--", *words)
    assert done.returncode == 1, done.stderr
    assert "That was our SYN: nothing listens at that port.\n" in done.stdout


OLDER = """
import random, runpy, sys
from scapy.all import *
before = random.getstate()
ports = {"sport": random.randint(49152, 65535), "dport": 80}
random.setstate(before)
answer = sr1(IP(dst="web") / TCP(seq=1000, flags="S", **ports), timeout=2, verbose=False)
send(IP(dst="web") / TCP(seq=1001, ack=answer.seq + 1, flags="A", **ports), verbose=False)
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_an_older_connection_is_explained(tmp_path: Path) -> None:
    """A server that holds a connection of the same ports sends a challenge ACK, which is no SYN-ACK."""
    exercise = find("handshake")
    (tmp_path / "older.py").write_text(OLDER)
    words = ("--out", tmp_path / "run", "--", "older.py", exercise.script)
    done = netlab("run", exercise.topology, "client", *words, cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "older connection of these two ports" in done.stdout
    assert "3. SYN-ACK" not in done.stdout
    assert "No answer to our SYN. Start a fresh lab, or one with another seed.\n" in done.stderr


def test_an_rst_that_does_not_come(tmp_path: Path) -> None:
    """Where the rule holds the RST back, lab rst's script says that none came, with status 1."""
    handshake = find("handshake")
    words = (handshake.script, "--expect-rst")
    done = netlab("run", handshake.topology, "client", "--out", tmp_path / "run", "--", *words)
    assert done.returncode == 1
    assert "No RST of our own within 2 s." in done.stderr


NAMES = {
    "web.lab.test": (0, "www.lab.test. A 10.0.0.80\n"),
    "lab.test": (1, "The name exists, but has no A record: lab.test\n"),
    "gone.lab.test": (1, "The server answers: name-error\n"),
    "www.example.com": (1, "The server answers: refused\n"),
}


@pytest.fixture(scope="module")
def asked() -> dict[str, subprocess.CompletedProcess[str]]:
    """Let lab dns's script ask for each of the names, in one lab."""
    dns = find("dns")
    with lab.start(make_plan(topology.load(dns.topology)), visible=(dns.script.parent,)) as running:
        return {name: running.output("client", [str(dns.script), name]) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_other_names(asked: dict[str, subprocess.CompletedProcess[str]], name: str) -> None:
    """An alias leads to the address; no record, no name and a foreign name each have their sentence."""
    done, (status, said) = asked[name], NAMES[name]
    assert done.returncode == status, done.stderr
    assert said in (done.stderr if status else done.stdout)
    assert "6. In one line: IP / UDP / DNS" in done.stdout


@pytest.mark.parametrize("name", ["lab.test", "gone.lab.test"])
def test_what_is_not_there_is_shown_with_its_soa(
    asked: dict[str, subprocess.CompletedProcess[str]], name: str
) -> None:
    """A reply without an answer is shown all the same: its authority section tells of the zone (RFC 2308)."""
    shown = asked[name].stdout.partition("This comes back:")[2]
    assert "mname" in shown
    assert "minimum" in shown


def test_a_worksheets_numbers_wrap(tmp_path: Path) -> None:
    """With A just below 2³² the script says where the GET begins and where its own numbers end."""
    shake = find("handshake")
    words = (shake.script, "/hello.txt", "--isn", "4294967290")
    done = netlab("run", shake.topology, "client", "--out", tmp_path / "run", "--", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    length = int(done.stdout.partition("5. GET /hello.txt: ")[2].split()[0])
    end = 4294967290 + 1 + length + 1 - SPACE
    assert f"{length} bytes, the first of them number 4294967291." in done.stdout
    assert f"from A = 4294967290 to {end}, that of our last ACK, past 2³² and on from 0." in done.stdout


def test_other_addresses_need_no_other_script(tmp_path: Path) -> None:
    """The scripts know names alone: on other networks, with other addresses, they work unchanged."""
    text = find("dns").topology.read_text()
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "index.html").write_text("elsewhere\n")
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text(text.replace("10.0.0.", "192.168.7.").replace("0.0.10.in", "7.168.192.in"))
    for name, said in (("dns", "www.lab.test. A 192.168.7.80\n"), ("handshake", "10 bytes of body")):
        done = netlab("run", elsewhere, "client", "--out", tmp_path / "run", "--", find(name).script)
        assert done.returncode == 0, done.stderr
        assert said in done.stdout


def test_a_servers_silence_is_a_sentence(tmp_path: Path) -> None:
    """Without a DNS server the kernel's ICMP is told; without a web server, its RST."""
    (tmp_path / "bare.yaml").write_text("nodes: {client: {firewall: [hold-back-rst]}, dns: , web: }\n")
    for name, status, said in (
        ("dns", 1, "port-unreachable. Is there a name server at 10.0.0.2?"),
        ("handshake", 1, "RST from 10.0.0.3"),
    ):
        done = netlab(
            "run", tmp_path / "bare.yaml", "client", "--out", tmp_path / "run", "--", find(name).script
        )
        assert (done.returncode, "Traceback" in done.stderr) == (status, False)
        assert said in done.stdout + done.stderr


def test_a_scripts_own_error(tmp_path: Path) -> None:
    """A mistake in a student's script is shown as Python does, from its own line; nothing of netlab's."""
    (tmp_path / "mine.py").write_text(
        "from scapy.all import *\n\nprint(IP(dst='web').dst)\nsr1(IQ(dst='web'))\n"
    )
    done = netlab(
        "run", find("dns").topology, "client", "--out", tmp_path / "run", "--", "mine.py", cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (1, "10.0.0.80\n")
    assert 'File "mine.py", line 4' in done.stderr
    assert "NameError: name 'IQ' is not defined" in done.stderr
    assert "interpreter.py" not in done.stderr


# -- every run is the same -----------------------------------------------------------------------------


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", LABS)
def test_runs_are_the_same(tmp_path: Path, runs: Runs, name: str) -> None:
    """Runs alone, and as many at once, have the packets of the one that the command line made.

    The two labs that all others are built upon are run twenty times, the others twice.
    """
    count = 10 if name in ("dns", "handshake") else 1
    argv = [sys.executable, "-c", REPEAT, name, str(tmp_path), str(SEED), str(count)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=200, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    first = load(runs[name][1])
    compared = [compare(first, load(tmp_path / str(number))) for number in range(2 * count)]
    assert [str(each) for each in compared if not each.same] == []


# -- the stream that lab handshake puts together ---------------------------------------------------------

Stream = runpy.run_path(str(find("handshake").script.with_name("stream.py")))["Stream"]


@given(st.data())
def test_a_stream_is_put_in_order(data: st.DataObject) -> None:
    """Whatever the cuts, the order and the repetitions, the bytes come out once, in order; past 2³² too."""
    sent = data.draw(st.binary(min_size=1, max_size=60))
    first = data.draw(st.one_of(st.integers(0, SPACE - 1), st.integers(SPACE - 60, SPACE - 1)))
    cuts = sorted({0, len(sent), *data.draw(st.lists(st.integers(0, len(sent)), max_size=8))})
    pieces = list(itertools.pairwise(cuts))
    overlapping = data.draw(st.lists(st.tuples(*[st.integers(0, len(sent))] * 2).map(sorted), max_size=4))
    stream = Stream(first)
    for start, end in data.draw(st.permutations([*pieces, *pieces[::2], *overlapping])):
        stream.add((first + start) % SPACE, sent[start:end], fin=end == len(sent) and start < end)
        assert sent.startswith(stream.data)
        assert stream.due == (first + len(stream.data) + stream.finished) % SPACE
    assert (bytes(stream.data), stream.finished) == (sent, True)


def test_exercises_are_all_tested_here() -> None:
    """A lab that is added needs a golden trace and its place in these tests."""
    assert tuple(each.name for each in exercises()) == LABS
