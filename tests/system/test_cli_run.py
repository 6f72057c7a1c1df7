"""`netlab run` and `netlab lab run`: exit statuses, Ctrl-C and signals at any moment, odd streams."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import commandline
from tests.system.commandline import BEGUN, SECONDS, Desk, Terminal, terminal
from tests.system.harness import NETLAB, soon

WEB = "topologies/web.yaml"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a desk of the test's own."""
    with commandline.desk(tmp_path) as made:
        yield made


def shell(desk: Desk, line: str) -> subprocess.CompletedProcess[str]:
    """Run a shell's line, in which `netlab` is the command."""
    return desk.run(["bash", "-c", f'netlab() {{ {" ".join(map(repr, NETLAB))} "$@"; }}\n{line}'])


def test_a_shipped_lab_is_ended_at_its_limit(desk: Desk) -> None:
    """The script that outlives its limit is ended; the sentence states that, the record is where it says."""
    done = desk.netlab("lab", "run", "handshake", "--time-limit", "0.1")
    assert done.returncode == 124
    assert "was ended in node client after 0.1 s, its time limit" in done.stderr
    assert "recorded in runs/handshake/" in done.stderr
    assert (desk.directory / "runs/handshake/trace.txt").exists()


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["run", WEB, "client", "--", "true"], 0),
        (["run", WEB, "client", "--", "sh", "-c", "exit 9"], 9),
        (["run", WEB, "client", "--", "sh", "-c", "kill -KILL $$"], 137),
        (["run", WEB, "client", "--", "no-such-program"], 127),
        (["run", WEB, "client", "--", "/etc/hosts"], 126),
        (["run", WEB, "client", "--time-limit", "0.3", "--", "sleep", "86400"], 124),
        (["run", WEB, "clint", "--", "true"], 2),
        (["run", "no-such-file.yaml", "client", "--", "true"], 2),
        (["run", WEB, "client"], 2),
        (["run", WEB, "client", "--out", "/proc/no", "--", "true"], 3),
        (["lab", "run", "dsn"], 2),
        (["no-such-verb"], 2),
        (["run", "--no-such-option"], 2),
        ([], 2),
        (["--help"], 0),
        (["lab"], 2),
    ],
)
def test_exit_statuses(desk: Desk, words: list[str], status: int) -> None:
    """Each is what README states; what went wrong is on standard error, in few words, without a traceback."""
    done = desk.netlab(*words)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    if status in (2, 3, 124, 126, 127):
        assert done.stdout == ""
        assert done.stderr
    desk.assert_nothing_left()


def test_images_need_containers(desk: Desk) -> None:
    """An image in a lab of namespaces is a mistake in the file, with its place; nothing is started for it."""
    (desk.directory / "image.yaml").write_text("nodes:\n  a: {image: python:3.12}\n")
    for words in (["run", "image.yaml", "a", "--", "true"], ["up", "image.yaml"], ["check", "image.yaml"]):
        done = desk.netlab(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(
            "image.yaml:2:14: the node 'a' has the image 'python:3.12', and the backend"
        )
        assert "--backend docker" in done.stderr
    shown = desk.netlab("plan", "image.yaml", "--backend", "docker")
    assert shown.returncode == 0
    assert shown.stdout.startswith("Lab image: 1 node, seed 2012, backend docker.\n")
    assert "  image  python:3.12\n" in shown.stdout
    assert not (desk.directory / "runs").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["run", WEB, "client", "--", "true"],
        ["run", WEB, "client", "--backend", "netns", "--", "true"],
        ["lab", "run", "dns"],
        ["plan", WEB, "--backend", "docker"],
        ["check", WEB],
    ],
)
def test_namespaces_do_not_pay_for_containers(desk: Desk, words: list[str]) -> None:
    """Where no container is meant, all goes well without the Docker SDK and the package that uses it."""
    program = (
        "import sys\nsys.modules['docker'] = sys.modules['netlab.backends.docker'] = None\n"
        "from netlab.cli import main\nmain()\n"
    )
    done = desk.run([sys.executable, "-c", program, *words])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["run", WEB, "clint", "--", "true"], "did you mean 'client'?"),
        (["lab", "run", "dsn"], "did you mean 'dns'?"),
        (["run", WEB, "client", "--backend", "dockers", "--", "true"], "is not one of 'netns', 'docker'"),
        (["plan", "--comands", WEB], "--commands"),
        (["plan", WEB, "--seed", "-1"], "a seed lies between 0 and 18446744073709551615"),
        (["plan", WEB, "--seed", "x"], "'x' is neither a number nor 'random'"),
        (["plan", WEB, "--seed", ""], "'' is neither a number nor 'random'"),
        (["run", WEB, "client", "ls", "-l"], "NODE -- COMMAND..."),
    ],
)
def test_mistakes_get_a_hint(desk: Desk, words: list[str], hint: str) -> None:
    """What was probably meant, or what is allowed, stands in the message."""
    assert hint in desk.netlab(*words).stderr


def test_a_random_seed_is_told(desk: Desk) -> None:
    """`--seed random` says on standard error what it chose, and that number gives the same plan again."""
    one = desk.netlab("plan", WEB, "--seed", "random")
    seed = one.stderr.removeprefix("seed ").strip()
    assert seed.isdigit()
    again = desk.netlab("plan", WEB, "--seed", seed)
    assert (again.stdout, again.stderr) == (one.stdout, "")
    assert desk.netlab("plan", WEB, "--seed", "1").stdout != one.stdout


def test_ctrl_c_while_a_script_runs(desk: Desk) -> None:
    """The script gets it; the exit status is 130, the record is complete, nothing is left."""
    (desk.directory / "mine.py").write_text(
        "import time\nfrom scapy.all import *\nsr1(IP(dst='10.0.0.53')/ICMP(), verbose=0)\n"
        "print('on', flush=True)\ntime.sleep(86400)\n"
    )
    process = desk.start("run", WEB, "client", "--", "mine.py")
    assert process.stdout is not None
    assert process.stdout.readline() == "on\n"
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    desk.assert_nothing_left()
    assert "ICMP" in (desk.directory / "runs/web/trace.txt").read_text()
    assert (desk.directory / "runs/web/kernel.json").exists()


def test_a_command_may_heed_ctrl_c(desk: Desk) -> None:
    """A command that handles Ctrl-C ends with its own status."""
    process = desk.start(
        "run", WEB, "client", "--", "sh", "-c", "trap 'exit 6' INT; echo on; sleep 86400 & wait"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "on\n"
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=SECONDS)
    assert process.returncode == 6
    desk.assert_nothing_left()


def test_ctrl_c_twice(desk: Desk) -> None:
    """A command that ignores Ctrl-C is ended by the second one at once; the record is complete."""
    process = desk.start(
        "run", WEB, "client", "--", "sh", "-c", "trap '' INT; ping -c 1 web >&2; echo on; sleep 86400"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "on\n"
    os.killpg(process.pid, signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    os.killpg(process.pid, signal.SIGINT)
    assert soon(lambda: process.poll() is not None)
    process.communicate()
    assert process.returncode == 130
    desk.assert_nothing_left()
    assert "ICMP" in (desk.directory / "runs/web/trace.txt").read_text()


@pytest.mark.parametrize("moment", [0.01, 0.04, 0.08, 0.12, 0.17, 0.22, 0.27, 0.32, 0.42])
def test_ctrl_c_at_any_moment(desk: Desk, moment: float) -> None:
    """From the first import to the last byte of the record, Ctrl-C gives 130 or 0, and leaves nothing."""
    process = desk.start("run", WEB, "client", "--", "sleep", "0.05", program=BEGUN)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode in (0, 130, -signal.SIGINT), errors
    desk.assert_nothing_left()
    if process.returncode == 0:
        assert (desk.directory / "runs/web/trace.txt").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals(desk: Desk, number: signal.Signals) -> None:
    """SIGTERM and SIGHUP end lab and command; the status says so, the record is complete."""
    process = desk.start("run", WEB, "client", "--", "sh", "-c", "ping -c 1 web >&2; echo on; sleep 86400")
    assert process.stdout is not None
    assert process.stdout.readline() == "on\n"
    process.send_signal(number)
    process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + number
    desk.assert_nothing_left()
    assert "ICMP" in (desk.directory / "runs/web/trace.txt").read_text()


def test_nohup_is_heeded(desk: Desk) -> None:
    """Where SIGHUP is ignored, as nohup has it, a run goes on to its end."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = desk.start("run", WEB, "client", "--", "sh", "-c", "echo on; sleep 0.3; echo end")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert process.stdout is not None
    assert process.stdout.readline() == "on\n"
    process.send_signal(signal.SIGHUP)
    told, _ = process.communicate(timeout=SECONDS)
    assert (process.returncode, told) == (0, "end\n")


def test_ctrl_c_at_a_terminal(desk: Desk) -> None:
    """Typed at a terminal while a lab runs, it ends the command inside, whose status it is."""
    with terminal(desk, "run", WEB, "client", "--", "sh", "-c", "echo on; exec sleep 86400") as window:
        window.wait_for("on\r\n")
        window.type("\x03")
        assert window.wait() == 130
        assert window.is_restored
        assert "recorded in runs/web/" in window.text
    desk.assert_nothing_left()


def test_a_lab_at_a_terminal_is_broken_off(desk: Desk) -> None:
    """Ctrl-C while a shipped lab's script runs: 130, no proof, its record complete, nothing left."""
    (desk.directory / "labs/dns/client.py").write_text("import time\nprint('on')\ntime.sleep(86400)\n")
    program = (
        "from pathlib import Path\nfrom netlab.lab import catalogue\n"
        "catalogue.labs_root = lambda: Path('labs').resolve()\n"
        "from netlab.cli import main\nmain()\n"
    )
    window = Terminal(desk, [sys.executable, "-c", program, "lab", "run", "dns"])
    try:
        window.wait_for("on\r\n")  # a line of progress may have stood before it
        window.type("\x03")
        assert window.wait() == 130
        assert "recorded in runs/dns/" in window.text
        assert "what the record shows" not in window.text
        assert window.is_restored
    finally:
        window.close()
    desk.assert_nothing_left()


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("netlab plan {web} | head -c 1; exit ${{PIPESTATUS[0]}}", (0, 141), "L"),
        ("netlab plan {web} --json --commands | true; exit ${{PIPESTATUS[0]}}", (0, 141), ""),
        ("netlab run {web} client -- yes | head -1; exit ${{PIPESTATUS[0]}}", (141,), "y\n"),
        ("netlab lab show handshake | head -c 1; exit ${{PIPESTATUS[0]}}", (0, 141), "#"),
        ("netlab plan {web} >&-", (0,), ""),
        ("netlab run {web} client -- cat <&-", (0,), ""),
        ("netlab run {web} client -- true >&- 2>&-", (0,), ""),
        ("netlab plan {web} >/dev/full", (3,), ""),
        ("netlab check nothing.yaml 2>/dev/full", (2,), ""),
        ("netlab check nothing.yaml 2>&-", (2,), ""),
        (
            "cd /; netlab check $'{here}/\\xff.yaml'",
            (0,),
            "\\udcff.yaml: good (2 nodes, 1 switch, 0 services)\n",
        ),
        ("PYTHONIOENCODING=ascii netlab lab list", (0,), "lab "),
    ],
)
def test_odd_streams(desk: Desk, line: str, status: tuple[int, ...], said: str) -> None:
    """A reader who leaves, a closed or full stream, bytes that are no text: never a traceback."""
    odd = os.fsencode(desk.directory) + b"/\xff.yaml"
    Path(os.fsdecode(odd)).write_text("name: odd\nnodes: {a: , b: }\n")
    done = shell(desk, line.format(web=WEB, here=desk.directory))
    assert done.returncode in status, done.stderr
    assert said in done.stdout
    for ugly in ("Traceback", "Exception ignored", "a fault of netlab"):
        assert ugly not in done.stderr
    desk.assert_nothing_left()


def test_a_full_disk_is_told(desk: Desk) -> None:
    """Output that cannot be written is a sentence with the reason."""
    done = shell(desk, f"netlab plan {WEB} >/dev/full")
    assert (
        done.stderr
        == "netlab: cannot write the output: No space left on device — is there room, and is it yours?\n"
    )


def test_output_in_a_file_is_in_order(desk: Desk) -> None:
    """What netlab, the script in the lab and the proof outside print stands in a file as at a terminal."""
    with (desk.directory / "told").open("w") as file:
        done = desk.netlab("lab", "run", "dns", stdout=file, stderr=subprocess.STDOUT)
    assert done.returncode == 0
    told = (desk.directory / "told").read_text()
    order = [
        "lab dns:",
        "topology web.yaml",
        "www.lab.test. A 10.0.0.80",
        "what the record shows",
        "recorded in runs/dns/",
    ]
    places = [told.index(words) for words in order]
    assert places == sorted(places)


@pytest.mark.parametrize("words", [["run", WEB, "client", "--", "true"], ["lab", "run", "dns"], ["up", WEB]])
def test_a_directory_that_is_gone(desk: Desk, words: list[str]) -> None:
    """From a directory that was removed nothing can be started: a sentence says so."""
    words = [str(desk.directory / word) if word == WEB else word for word in words]
    quoted = " ".join(words)
    done = shell(desk, f"mkdir gone; cd gone; rmdir ../gone; netlab {quoted}")
    assert done.returncode == 2
    assert done.stderr == "the directory that you are in is gone — go to another one: cd DIR\n"


def test_warnings_as_errors(desk: Desk) -> None:
    """Python's warnings, made errors, find nothing in a whole run."""
    done = desk.run([NETLAB[0], "-W", "error", *NETLAB[1:], "run", WEB, "client", "--", "echo", "well"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "well\n", "recorded in runs/web/\n")
