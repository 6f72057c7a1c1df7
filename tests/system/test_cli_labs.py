"""Labs that outlast their command: up, ps, exec, logs, capture, down; several at once, and gone meanwhile."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlab.report.pcapng import read_capture
from tests.system import commandline
from tests.system.commandline import BEGUN, SECONDS, Desk
from tests.system.harness import wait_for

WEB = "topologies/web.yaml"
TSHARK = shutil.which("tshark")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a desk of the test's own."""
    with commandline.desk(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Give a desk at which the lab web is up, and stays."""
    with commandline.desk(tmp_path_factory.mktemp("desk")) as made:
        made.up()
        yield made


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a/b", "x" * 200, "ü", "-x", "x-", "a b", "a.b", "a_b", "..", "a\nb"])
def test_names_that_are_none(web: Desk, name: str) -> None:
    """A lab's name follows the rule of a topology's; what does not starts and empties nothing."""
    kept = web.directory / "kept" / "trace.txt"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("of another run")
    done = web.netlab("up", WEB, f"--name={name}", "--out", "kept")
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"{name!r} cannot name a lab: no hostname label (RFC 1123) — 1 to 63 letters"
    )
    assert web.netlab("ps", "--json").stdout.count('"lab"') == 1
    assert kept.read_text() == "of another run"


def test_a_name_that_is_taken(web: Desk) -> None:
    """A second lab of one name is refused, and the record that it would have written over stays."""
    kept = web.directory / "kept" / "trace.txt"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("of another run")
    done = web.netlab("up", WEB, "--out", "kept")
    assert done.returncode == 2
    assert (
        done.stderr
        == "a lab named 'web' is running already — end it with `netlab down web`, or give this one a --name\n"
    )
    assert kept.read_text() == "of another run"


def test_of_many_at_once_one_gets_the_name(desk: Desk) -> None:
    """Of commands that race for a name one succeeds, the others are told that it is taken."""
    racing = [desk.start("up", WEB) for _ in range(5)]
    errors = [process.communicate(timeout=SECONDS)[1] for process in racing]
    assert sorted(process.returncode for process in racing) == [0, 2, 2, 2, 2]
    assert sum("is running already" in error for error in errors) == 4


# -- several ---------------------------------------------------------------------------------------


def test_several_labs(desk: Desk) -> None:
    """Each is reached by its name; without one the choice is asked for; `down` ends those it names."""
    for name in ("one", "two", "three"):
        desk.up("--name", name)
    listed = json.loads(desk.netlab("ps", "--json").stdout)
    assert [lab["lab"] for lab in listed] == ["one", "three", "two"]
    assert [line.split()[:4] for line in desk.netlab("ps").stdout.splitlines()[1:]] == [
        [name, "web", "2012", "netns"] for name in ("one", "three", "two")
    ]
    unnamed = desk.netlab("exec", "client", "--", "true")
    assert unnamed.returncode == 2
    assert unnamed.stderr == "several labs are running: one, three, two — choose one with --lab NAME\n"
    assert desk.netlab("exec", "--lab", "two", "client", "--", "ping", "-c", "1", "web").returncode == 0

    slip = desk.netlab("down", "one", "tow")
    assert slip.returncode == 2
    assert "no lab named 'tow' is running" in slip.stderr
    which = desk.netlab("down")
    assert (which.returncode, which.stderr) == (
        2,
        "several labs are running: one, three, two — name those to end, or give --all\n",
    )
    assert desk.netlab("down", "one").stdout == "lab one is down\n"
    assert desk.netlab("down", "one").returncode == 2
    assert desk.netlab("down", "--all", "two").returncode == 2
    assert desk.netlab("down", "--all").stdout == "lab three is down\nlab two is down\n"
    desk.assert_nothing_left()


def test_no_lab_at_all(desk: Desk) -> None:
    """Without labs, `ps` and `down --all` have nothing to do, and the other verbs say how to start one."""
    empty = desk.netlab("ps")
    assert (empty.returncode, empty.stdout) == (0, "")
    assert json.loads(desk.netlab("ps", "--json").stdout) == []
    everything = desk.netlab("down", "--all")
    assert (everything.returncode, everything.stdout, everything.stderr) == (0, "", "no lab is running\n")
    for words in (
        ["down"],
        ["exec", "a", "--", "true"],
        ["shell", "a"],
        ["scapy", "a"],
        ["logs", "a"],
        ["capture", "a"],
    ):
        done = desk.netlab(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "no lab is running — start one with `netlab up TOPOLOGY`\n"


def test_down_says_the_labs_name(desk: Desk) -> None:
    """The lab that is ended without being named is called by its own name, not its topology's."""
    desk.up("--name", "mine")
    assert desk.netlab("down").stdout == "lab mine is down\n"


def test_up_for_programs(desk: Desk) -> None:
    """`up --json` tells what `ps --json` tells of the lab, and nothing else."""
    done = desk.netlab("up", WEB, "--name", "mine", "--json", "--seed", "7")
    told = json.loads(done.stdout)
    assert [told] == json.loads(desk.netlab("ps", "--json").stdout)
    assert (told["lab"], told["name"], told["seed"], told["backend"]) == ("mine", "web", 7, "netns")
    assert told["nodes"]["web"] == {
        "addresses": ["10.0.0.80/24"],
        "services": ["http"],
        "engines": {"http": {"engine": "builtin", "version": None}},
        "image": None,
    }


def test_ps_while_labs_come_and_go(desk: Desk) -> None:
    """`ps` tells of the labs that there are, whatever ends while it looks."""
    for number in range(4):
        desk.up("--name", f"n{number}")
    ending = desk.start("down", "--all")
    while ending.poll() is None:
        done = desk.netlab("ps", "--json")
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        json.loads(done.stdout)
    assert ending.communicate()[1] == ""
    assert ending.returncode == 0
    desk.assert_nothing_left()


def test_two_that_end_the_same_lab(desk: Desk) -> None:
    """Of several that end one lab at the same time, none fails but by finding none."""
    desk.up()
    ending = [desk.start("down", "web") for _ in range(4)]
    errors = [process.communicate(timeout=SECONDS)[1] for process in ending]
    assert all("Traceback" not in error and "fault of netlab" not in error for error in errors)
    assert {process.returncode for process in ending} <= {0, 2}
    desk.assert_nothing_left()


# -- what goes wrong -------------------------------------------------------------------------------


def test_a_service_that_fails_leaves_nothing(desk: Desk) -> None:
    """`up` of a lab whose service cannot start fails with the service's words, and no lab runs."""
    # The topology language refuses what cannot start; so a plan is spoilt on its way, each service doubled.
    program = (
        "from dataclasses import replace\nimport netlab.plan as plans\nmake = plans.make_plan\n"
        "def spoilt(*given, **named):\n"
        "    plan = make(*given, **named)\n"
        "    nodes = tuple(replace(node, services=node.services * 2) for node in plan.nodes)\n"
        "    return replace(plan, nodes=nodes)\n"
        "plans.make_plan = spoilt\nfrom netlab.cli import main\nmain()\n"
    )
    done = desk.run([sys.executable, "-c", program, "up", WEB])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("netlab: service ")
    assert "ended before it was ready" in done.stderr
    assert json.loads(desk.netlab("ps", "--json").stdout) == []
    desk.assert_nothing_left()


@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.15, 0.2, 0.25])
def test_ctrl_c_while_up_starts(desk: Desk, seconds: float) -> None:
    """A start that is broken off leaves no lab; one that had succeeded leaves it."""
    process = desk.start("up", WEB, program=BEGUN)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
    told, errors = process.communicate(timeout=SECONDS)
    assert process.returncode in (0, 130, -signal.SIGINT), errors
    if not told:
        desk.assert_nothing_left()


@pytest.mark.parametrize(
    "words",
    [
        ["exec", "client", "--", "sh", "-c", "echo on >&2; exec sleep 86400"],
        ["logs", "web", "--follow"],
        ["capture", "client"],
    ],
)
def test_a_lab_that_vanishes_meanwhile(desk: Desk, words: list[str]) -> None:
    """What watches or uses a lab ends when the lab does, with a sentence where there is something to say."""
    desk.up()
    process = desk.start(*words)
    first = process.stdout if words[0] == "logs" else process.stderr
    assert first is not None
    assert first.readline()
    assert desk.netlab("down").returncode == 0
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == (1 if words[0] == "exec" else 0)
    assert "Traceback" not in errors
    if words[0] == "exec":
        assert errors.startswith("netlab: the lab has ended")
    desk.assert_nothing_left()


def test_the_directory_of_up_disappears(desk: Desk) -> None:
    """A lab goes on, and is ended from elsewhere, when the directory it was started in has been removed."""
    started_in = desk.directory / "short-lived"
    shutil.copytree(desk.directory / "topologies", started_in)
    netlab = [*commandline.NETLAB]
    assert (
        desk.run(["sh", "-c", 'cd short-lived && exec "$@"', "sh", *netlab, "up", "web.yaml"]).returncode == 0
    )
    shutil.rmtree(started_in)
    assert desk.netlab("exec", "client", "--", "ping", "-c", "1", "web").returncode == 0
    assert desk.netlab("ps").returncode == 0
    assert desk.netlab("down").stdout == "lab web is down\n"
    desk.assert_nothing_left()


def test_the_record_of_a_lab_that_outlives_its_command(desk: Desk) -> None:
    """`up --out` records, `down` completes: capture, trace, counters and logs are there."""
    desk.up("--out", "kept")
    assert desk.netlab("exec", "client", "--", "ping", "-c", "2", "web").returncode == 0
    done = desk.netlab("down")
    kept = desk.directory / "kept"
    assert done.stdout == f"recorded in {kept}/\nlab web is down\n"
    assert (kept / "trace.txt").read_text().count("ICMP") == 4
    assert {path.name for path in kept.iterdir()} >= {"capture.pcapng", "trace.txt", "kernel.json", "logs"}


def test_a_record_that_is_lost_keeps_no_lab_alive(desk: Desk) -> None:
    """Where the record's directory was removed, `down` says so, and the lab ends all the same."""
    desk.up("--out", "kept")
    shutil.rmtree(desk.directory / "kept")
    done = desk.netlab("down")
    assert done.returncode != 0
    assert done.stdout == "lab web is down\n"
    assert "Traceback" not in done.stderr
    desk.assert_nothing_left()


# -- watching --------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["capture"], ["logs"], ["shell"], ["scapy"], ["exec"]])
def test_a_wrong_node(web: Desk, words: list[str]) -> None:
    """A node that is not there gets the nearest name."""
    done = web.netlab(*words, "clint", *(["--", "true"] if words == ["exec"] else []))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "lab web has no node 'clint' — did you mean 'client'?\n"


def test_logs_are_followed(web: Desk) -> None:
    """`logs -f` shows what is there and what comes; Ctrl-C ends it with 130."""
    process = web.start("logs", "web", "-f")
    assert process.stdout is not None
    for name in ("first", "second"):
        web.netlab(
            "exec",
            "client",
            "--",
            "python3",
            "-c",
            f"import urllib.request as u; u.urlopen('http://www.lab.test/hello.txt?{name}')",
        )
        while name not in (line := process.stdout.readline()):
            assert line
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (130, "")
    assert "first" in web.netlab("logs", "web").stdout
    assert web.netlab("logs", "client").stderr == "node client runs no service\n"


def test_a_capture_in_a_file(web: Desk) -> None:
    """It holds each packet, named; this project and tshark read it; `-c` ends it."""
    file = web.directory / "some.pcapng"
    process = web.start("capture", "client", "-w", file, "-c", "6")
    assert wait_for(lambda: file.exists() and file.stat().st_size)
    web.netlab("exec", "client", "--", "ping", "-c", "3", "-i", "0.1", "web")
    told, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, told) == (0, "")
    assert errors == f"capturing in node client; Ctrl-C ends\n6 packets in {file}\n"
    capture = read_capture(file)
    assert len(capture.frames) == 6
    assert {interface.name for interface in capture.interfaces} == {"eth0"}
    assert capture.names == {"10.0.0.10": "client", "10.0.0.53": "dns", "10.0.0.80": "web"}
    if TSHARK:
        shown = subprocess.run([TSHARK, "-nr", file], capture_output=True, text=True, check=True).stdout
        assert len(shown.splitlines()) == 6
        assert "Malformed" not in shown


def test_a_capture_to_standard_output(web: Desk) -> None:
    """`-w -` writes the capture and nothing else there."""
    with (web.directory / "piped.pcapng").open("wb") as file:
        done = web.netlab(
            "capture", "client", "-w", "-", "--seconds", "0", stdout=file, stderr=subprocess.PIPE
        )
    assert (done.returncode, done.stderr) == (0, "capturing in node client; Ctrl-C ends\n0 packets\n")
    assert read_capture(web.directory / "piped.pcapng").names["10.0.0.80"] == "web"


@pytest.mark.parametrize(
    ("file", "status", "why"),
    [
        ("/dev/full", 3, "No space left on device"),
        ("/proc/no", 3, "No such file"),
        ("topologies", 2, "is a directory"),
    ],
)
def test_a_capture_that_cannot_be_written(web: Desk, file: str, status: int, why: str) -> None:
    """A full disk and a place that is not ours get a sentence."""
    done = web.netlab("capture", "client", "--seconds", "0.1", "-w", file)
    assert done.returncode == status
    assert why in done.stderr
    assert "fault of netlab" not in done.stderr


def test_a_capture_is_ended_by_ctrl_c(web: Desk) -> None:
    """What has come until Ctrl-C is shown to the last packet, and the status is 0."""
    process = web.start("capture", "client")
    assert process.stderr is not None
    process.stderr.readline()
    web.netlab("exec", "client", "--", "ping", "-c", "2", "-i", "0.01", "web")
    os.killpg(process.pid, signal.SIGINT)
    told, errors = process.communicate(timeout=SECONDS)
    lines = [line for line in told.splitlines() if "ICMP" in line]
    assert len(lines) == 4
    assert "client > web" in lines[0]
    assert (process.returncode, re.sub(r"\d+", "N", errors)) == (0, "N packets\n")


@pytest.mark.parametrize("how", ["--seconds", "Ctrl-C"])
def test_a_capture_ends_in_the_midst_of_traffic(web: Desk, how: str) -> None:
    """However busy the node is, the end comes when it should."""
    flood = web.start("exec", "client", "--", "ping", "-q", "-i", "0.002", "web")
    process = web.start("capture", "client", *(["--seconds", "0.5"] if how == "--seconds" else []))
    try:
        assert process.stderr is not None
        process.stderr.readline()
        if how == "Ctrl-C":
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.4)
            os.killpg(process.pid, signal.SIGINT)
        told, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0
        assert "ICMP" in told
    finally:
        os.killpg(flood.pid, signal.SIGINT)
        flood.communicate(timeout=SECONDS)


def test_a_capture_loses_nothing(web: Desk) -> None:
    """All of a megabyte is there: the sequence numbers of the TCP data leave no gap."""
    file = web.directory / "much.pcapng"
    process = web.start("capture", "client", "-w", file)
    assert wait_for(lambda: file.exists() and file.stat().st_size)
    server = "import socket as s; c = s.create_server(('', 999)).accept()[0]\nwhile c.recv(65536): pass"
    serving = web.start("exec", "web", "--", "python3", "-c", server)
    client = (
        "import socket as s, time\nwhile True:\n try: c = s.create_connection(('web', 999)); break\n"
        " except OSError: time.sleep(0.02)\nc.sendall(bytes(1 << 20))"
    )
    assert web.netlab("exec", "client", "--", "python3", "-c", client).returncode == 0
    serving.communicate(timeout=SECONDS)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=SECONDS)
    assert "lost" not in errors
    carried = {}
    for frame in read_capture(file).frames:
        ip = frame.data[14:]
        if frame.data[12:14] == b"\x08\x00" and ip[9] == 6 and ip[16:20] == bytes([10, 0, 0, 80]):
            tcp = ip[(ip[0] & 15) * 4 : int.from_bytes(ip[2:4], "big")]
            if int.from_bytes(tcp[2:4], "big") == 999 and (payload := tcp[(tcp[12] >> 4) * 4 :]):
                carried[int.from_bytes(tcp[4:8], "big")] = len(payload)
    assert sum(carried.values()) == 1 << 20


def test_the_first_script_gives_its_pipe_back(desk: Desk) -> None:
    """Whoever reads what the first script of a lab prints comes to its end when the script ends."""
    desk.up()
    (desk.directory / "mine.py").write_text("print('said')\n")
    assert desk.netlab("exec", "client", "--", "mine.py").stdout == "said\n"
