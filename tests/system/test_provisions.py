"""What a node is given, seen by ordinary programs: env, sysctl, cat, a server that starts with its lab."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from netlab import lab, topology
from netlab.errors import LabError, MachineError, NetlabError, ServiceError
from netlab.lab import Lab
from netlab.lab.record import claim
from netlab.plan import make_plan
from netlab.plan.model import Plan
from netlab.topology.vocabulary import BACKENDS
from tests.system import commandline, containers, harness
from tests.system.commandline import Desk

if TYPE_CHECKING:
    from netlab.backends.docker.engine import Engine

pytestmark = harness.requires("curl", "sysctl", "python3")

GIVEN = """\
nodes:
  web:
    environment: {COLOUR: blue, EMPTY: "", HOME: /srv}
    sysctls: {net.ipv4.tcp_syncookies: 0, net.ipv4.tcp_early_retrans: 3}
    files:
      /etc/motd: "hello\\n"
      /etc/new/deep/down: "new\\n"
      /etc/hosts: "127.0.0.1 localhost me\\n"
      /srv/data: {from: data.bin, mode: "0640"}
      /srv/run: {text: "#!/bin/sh\\necho ran $COLOUR\\n", mode: "0755"}
      /var/added: added
      /tmp/own: own
    start:
      - [sh, -c, 'echo "$COLOUR $NETLAB_NODE $NETLAB_LAB $(pwd)" > /tmp/first; echo one']
      - {run: python3 -m http.server 8080 --directory /srv, ready: {port: 8080}}
      - {run: [sh, -c, 'cat /tmp/first; sleep 0.3; echo up; exec sleep 1000'], ready: {log: ^up$}}
      - {run: [sh, -c, 'sleep 0.2; touch /tmp/done; exec sleep 1000'], ready: {succeeds: test -e /tmp/done}}
      - {run: python3 /srv/udp.py, ready: {udp-port: 5300}}
      - test -e /tmp/done
  client:
"""
UDP = "import socket, time; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', 5300)); time.sleep(1000)\n"


@pytest.fixture(params=BACKENDS, scope="module")
def backend(request: pytest.FixtureRequest) -> str:
    """Name each backend that there is here."""
    if request.param == "docker":
        request.getfixturevalue("engine")
    return str(request.param)


@pytest.fixture(scope="module")
def given(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start a lab with a node that is given all there is, recorded."""
    directory = tmp_path_factory.mktemp("given")
    (directory / "data.bin").write_bytes(b"\xff\0data")
    (directory / "udp.py").write_text(UDP)
    path = directory / "given.yaml"
    path.write_text(GIVEN.replace("/tmp/own: own", "/srv/udp.py: {from: udp.py}\n      /tmp/own: own"))
    plan = make_plan(topology.load(path), backend=backend)
    record = claim(directory / "out", plan.name)
    with lab.start(plan, record=record) as running:
        yield running


def plan_of(words: str, backend: str, directory: Path) -> Plan:
    """Plan a lab of a node `a` with these words, and a node `b`."""
    path = directory / "lab.yaml"
    path.write_text(f"nodes:\n  a: {words}\n  b:\n")
    return make_plan(topology.load(path), backend=backend)


def sh(running: Lab, line: str, node: str = "web") -> str:
    """Run a shell's line and return its output and errors, less the last newline."""
    done = running.output(node, ["sh", "-c", line])
    return (done.stdout + done.stderr).rstrip("\n")


def test_environment(given: Lab) -> None:
    """A command has the node's variables, which win over the caller's; another node's has not."""
    shown = sh(given, "env").splitlines()
    assert {"COLOUR=blue", "EMPTY=", "HOME=/srv", "NETLAB_NODE=web"} <= set(shown)
    assert "COLOUR=blue" not in sh(given, "env", "client").splitlines()
    told = {"environment": {**os.environ, "COLOUR": "red"}}
    assert given.run("web", ["sh", "-c", "test $COLOUR = blue"], **told) == 0


def test_environment_of_a_script(given: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script of the warm interpreter has them too."""
    monkeypatch.chdir(tmp_path)
    Path("show.py").write_text("import os; print(os.environ['COLOUR'], os.environ['NETLAB_NODE'])\n")
    if given.shares_machine:
        given.run("web", ["cp", "/dev/stdin", "/tmp/show.py"], stdio=(os.open("show.py", os.O_RDONLY), 1, 2))
        assert given.output("web", ["/tmp/show.py"]).stdout == "blue web\n"
    else:
        assert given.output("web", ["./show.py"]).stdout == "blue web\n"


def test_sysctls(given: Lab) -> None:
    """The node's kernel has the file's values, over netlab's own; the other node has netlab's."""
    keys = "net.ipv4.tcp_syncookies net.ipv4.tcp_early_retrans"
    assert sh(given, f"sysctl -n {keys}").split() == ["0", "3"]
    assert sh(given, f"sysctl -n {keys}", "client").split() == ["1", "0"]


def test_files(given: Lab) -> None:
    """Each file is there with its bytes and its mode, in directories that were not; what was there stays."""
    assert sh(given, "cat /etc/motd /etc/new/deep/down /var/added /tmp/own") == "hello\nnew\naddedown"
    assert sh(given, "od -An -tx1 /srv/data").split() == ["ff", "00", "64", "61", "74", "61"]
    assert sh(given, "stat -c %a /srv/data /srv/run /etc/motd").split() == ["640", "755", "644"]
    assert sh(given, "/srv/run") == "ran blue"
    assert sh(given, "cat /etc/hosts; cat /etc/hostname") == "127.0.0.1 localhost me\nweb"
    assert sh(given, "test -s /etc/passwd && test -d /var/lib && test -d /var/tmp && echo all") == "all"
    assert "added" not in sh(given, "ls /var /etc", "client").split()


def test_given_files_leave_the_machine_alone(given: Lab) -> None:
    """Where a lab has the machine's directories, they gain nothing, and the node's stay read-only."""
    if not given.shares_machine:
        pytest.skip("a container has directories of its own")
    for path in ("/etc/new", "/var/added", "/srv/udp.py", "/tmp/own"):
        assert not Path(path).exists()
    assert "Read-only file system" in sh(given, "touch /etc/x")
    assert "Read-only file system" in sh(given, "touch /var/x")


def test_started_server_answers_at_once(given: Lab) -> None:
    """A start-up server that was waited for is there for the lab's first packet from another node."""
    address = given.info["nodes"]["web"]["addresses"][0].partition("/")[0]
    done = given.output("client", ["curl", "-s", "--max-time", "5", f"http://{address}:8080/data"])
    assert (done.returncode, len(done.stdout)) == (0, 6)


def test_start_up_commands_run_in_order(given: Lab) -> None:
    """Each began when the one before was ready, in the node's environment, at the root."""
    assert sh(given, "cat /tmp/first").startswith("blue web given /")
    read, write = os.pipe()
    logs = given.logs("web", write)
    assert logs.wait(30) == 0
    logs.close()
    os.close(write)
    with os.fdopen(read) as told:
        assert told.read().startswith("one\n")
    logged = sorted(path.name for path in (Path(given.info["out"]) / "logs").glob("web-start-*.log"))
    if given.shares_machine:  # else they come here when the lab is finished
        assert logged == [f"web-start-{number}.log" for number in range(1, 7)]


FAILING = {
    "ends": (
        "{start: [[sh, -c, 'echo why; exit 3']]}",
        r"start-up command 1 of node a .* ended with status 3.*\n.*why",
    ),
    "second": (
        "{start: ['true', 'false']}",
        r"start-up command 2 of node a \(false\) ended with status 1 — it said",
    ),
    "not-there": ("{start: [no-such-program]}", r"ended with status 127.*\n.*command not found in node a"),
    "killed": ("{start: [[sh, -c, 'kill -KILL $$']]}", "was killed by SIGKILL"),
    "goes-on": ("{start: [{run: sleep 1000, within: 1}]}", r"still runs after 1 s — one that goes on needs"),
    "port": (
        "{start: [{run: sleep 1000, within: 1, ready: {port: 80}}]}",
        "not ready after 1 s — .* port 80 is open",
    ),
    "log": (
        "{start: [{run: [sh, -c, echo no; sleep 9], within: 1, ready: {log: up}}]}",
        r"matches 'up'.*\n.*no",
    ),
    "log-for-ever": (
        "{start: [{run: [sh, -c, 'printf %064d! 0; exec sleep 60'], within: 1, ready: {log: ^(0+)+$}}]}",
        "was not ready after 1 s",
    ),
    "never": (
        "{start: [{run: 'true', within: 1, ready: {port: 80}}]}",
        "after 1 s, and has ended with status 0",
    ),
    "hangs": (
        "{start: [{run: sleep 9, within: 1, ready: {succeeds: sleep 1000}}]}",
        "when sleep 1000 succeeds",
    ),
    "taken": (
        "{services: {http: {content: .}}, start: [{run: sleep 9, ready: {port: 80}}]}",
        "tcp port 80 is open before it starts",
    ),
}


@pytest.mark.parametrize("case", FAILING)
def test_a_start_that_fails_is_told(backend: str, case: str, tmp_path: Path) -> None:
    """A lab does not come up without its start-up commands, and says which one, why, and its last words."""
    words, message = FAILING[case]
    with pytest.raises(ServiceError, match=message), lab.start(plan_of(words, backend, tmp_path)):
        pass


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        (
            "{sysctls: {net.ipv4.no_such_key: 0}}",
            MachineError,
            "kernel has no net.ipv4.no_such_key to set in a",
        ),
        ("{sysctls: {net.ipv4.tcp_congestion_control: x}}", MachineError, "= x is refused in a: "),
        ("{files: {/etc: x}}", LabError, "the file /etc of node a cannot be"),
        ("{files: {/etc/passwd/x: x}}", LabError, "the file /etc/passwd/x of node a cannot be"),
    ],
)
def test_what_the_machine_does_not_take(
    backend: str, words: str, kind: type[NetlabError], message: str, tmp_path: Path
) -> None:
    """A parameter or a place that is none is a sentence, before anything runs."""
    if kind is LabError:
        message = message.replace("cannot be", "cannot be( written)?")
    words = words[:-1] + ", start: [no-such-program]}"  # which would be told if it had run
    with pytest.raises(kind, match=message), lab.start(plan_of(words, backend, tmp_path)):
        pass


def test_nothing_is_added_to_the_root(tmp_path: Path) -> None:
    """A directory beside /etc cannot be made where a lab has the machine's: it is said, with what can be."""
    plan = plan_of("{files: {/no-such-directory/x: x}}", "netns", tmp_path)
    with pytest.raises(LabError, match="no /no-such-directory — a lab adds nothing to the root: choose"):
        lab.start(plan)


def test_nothing_is_given_into_the_record(tmp_path: Path) -> None:
    """A file in the record's directory would stay on the machine: it is refused, and not made."""
    out = tmp_path / "record"
    plan = plan_of(f"{{files: {{{out}/sub/x: x}}}}", "netns", tmp_path)
    with pytest.raises(LabError, match=f"x of node a cannot be: {out} is the record's, which outlives"):
        lab.start(plan, record=claim(out, plan.name))
    assert not (out / "sub").exists()


def test_one_that_ends_later_is_told(backend: str, tmp_path: Path) -> None:
    """A start-up command that was ready and ends while the lab runs is told at its end, as a service is."""
    words = "{start: [{run: [sh, -c, 'echo up; sleep 0.3; echo bye; exit 3'], ready: {log: up}}]}"
    with lab.start(plan_of(words, backend, tmp_path)) as running:
        assert harness.wait_for(lambda: running.run("a", ["pgrep", "-f", "echo bye"], stdio=(0, 2, 2)) != 0)
        with pytest.raises(ServiceError, match=r"command 1 of node a .* ended with status 3 while(.|\n)*bye"):
            running.finish()


def test_a_daemon_may_leave_its_command(backend: str, tmp_path: Path) -> None:
    """A command that ends well and leaves a server behind, as daemons do, is ready when that is."""
    line = "(sleep 0.3; exec python3 -m http.server 8080) >/dev/null 2>&1 &"
    words = f"{{start: [{{run: [sh, -c, '{line}'], ready: {{port: 8080}}}}]}}"
    with lab.start(plan_of(words, backend, tmp_path)) as running:
        assert running.run("a", ["curl", "-so", "/dev/null", "http://127.0.0.1:8080/"]) == 0
        running.finish()


def test_an_image_of_ones_own(engine: Engine, tmp_path: Path) -> None:
    """The files, environment and limits of a node with an image are those of the image's own programs."""
    containers.need_image(engine, "netlab-test/tiny")
    words = """{image: netlab-test/tiny, environment: {COLOUR: blue}, limits: {files: 30},
      files: {/srv/deep/x: "hello", /at-the-root/y: {text: "y", mode: "0600"}},
      start: [cat /srv/deep/x, {run: [sh, -c, 'echo $COLOUR; exec sleep 1000'], ready: {log: blue}}]}"""
    with lab.start(plan_of(words, "docker", tmp_path)) as running:
        line = "cat /srv/deep/x /at-the-root/y; echo $COLOUR; ulimit -n"
        assert sh(running, line, "a") == "helloyblue\n30"
        running.finish()


def test_limits_bite(backend: str, tmp_path: Path) -> None:
    """Memory, CPU and open files of a command are limited, and the other node's are not."""
    words = "{limits: {memory: 64 MiB, cpu-seconds: 1, files: 20}}"
    with lab.start(plan_of(words, backend, tmp_path)) as running:
        large = ["python3", "-c", "bytearray(100 << 20)"]
        assert "MemoryError" in running.output("a", large).stderr
        assert running.output("b", large).returncode == 0
        assert running.run("a", ["sh", "-c", "while :; do :; done"]) in (128 + 24, 128 + 9)  # SIGXCPU
        many = ["python3", "-c", "files = [open('/dev/null') for _ in range(30)]"]
        assert "Too many open files" in running.output("a", many).stderr
        assert running.output("b", many).returncode == 0
        assert sh(running, "ulimit -Hn", "a") == "20"


def test_limits_of_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script's memory counts from what the warm interpreter has already."""
    monkeypatch.chdir(tmp_path)
    Path("take.py").write_text("import sys; print(len(bytearray(int(sys.argv[1]) << 20)))\n")
    plan = plan_of("{limits: {memory: 64 MiB}}", "netns", tmp_path)
    with lab.start(plan, visible=[tmp_path]) as running:
        assert running.output("a", ["take.py", "16"]).stdout == f"{16 << 20}\n"
        assert "MemoryError" in running.output("a", ["take.py", "128"]).stderr


FORKS = """\
import os, time
count = 0
try:
    while count < 100:
        if os.fork() == 0:
            time.sleep(60)
        count += 1
except OSError as error:
    print(count, error.strerror)
"""


def test_processes_are_limited(desk: Desk) -> None:
    """A command may have so many processes, itself one, whatever else runs; root is told that it may not."""
    (desk.directory / "forks.py").write_text(FORKS)
    (desk.directory / "lab.yaml").write_text("nodes: {a: {limits: {processes: 5}}, b: }\n")
    for argv in (["python3", "forks.py"], ["forks.py"]):
        done = desk.netlab("run", "lab.yaml", "a", "--", *argv)
        if os.geteuid() == 0:
            assert (done.returncode, "the kernel limits none of root's" in done.stderr) == (3, True)
        else:
            assert done.stdout == "4 Resource temporarily unavailable\n"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a desk of the test's own."""
    with commandline.desk(tmp_path) as made:
        yield made


def test_time_limit(desk: Desk) -> None:
    """The file's limit ends a command of run and exec; the command line's own wins."""
    (desk.directory / "lab.yaml").write_text("time-limit: 1\nnodes: {a: }\n")
    done = desk.netlab("run", "lab.yaml", "a", "--", "sleep", "60")
    assert (done.returncode, "after 1 s, its time limit" in done.stderr) == (124, True)
    assert desk.netlab("run", "lab.yaml", "a", "--time-limit", "30", "--", "sleep", "1.2").returncode == 0
    assert desk.netlab("up", "lab.yaml").returncode == 0
    done = desk.netlab("exec", "a", "--", "sleep", "60")
    assert (done.returncode, "after 1 s, its time limit" in done.stderr) == (124, True)
    assert desk.netlab("exec", "a", "--time-limit", "30", "--", "sleep", "1.2").returncode == 0
    assert desk.netlab("down").returncode == 0


# The command line, with labs/ of the current directory in the place of the shipped ones.
OWN_LABS = """\
from pathlib import Path
from netlab.lab import catalogue
catalogue.labs_root = lambda: Path("labs").resolve()
from netlab.cli import main
main()
"""


def test_time_limit_of_a_shipped_lab(desk: Desk) -> None:
    """The script of a lab that says no limit itself ends by that of its topology."""
    here = desk.directory / "labs" / "slow"
    here.mkdir()
    (here / "README.md").write_text("# Slow\n")
    (here / "client.py").write_text("import time; time.sleep(60)\n")
    (here / "own.yaml").write_text("time-limit: 1\nnodes: {a: }\n")
    (here / "lab.yaml").write_text("title: t\norder: 9\ntopology: own.yaml\nnode: a\nscript: client.py\n")
    done = desk.run([sys.executable, "-c", OWN_LABS, "lab", "run", "slow"])
    assert (done.returncode, "after 1 s, its time limit" in done.stderr) == (124, True), done.stderr
