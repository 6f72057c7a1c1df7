"""A command in a node is what it would be in a terminal there: status, streams, environment, children."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlab import lab
from netlab.errors import LabError, UsageError
from netlab.lab import Lab
from tests.system import harness

pytestmark = harness.requires("curl", "dig", "ping", "pgrep", "ps")

LARGE = 10 << 20


@pytest.fixture(scope="module")
def web() -> Iterator[Lab]:
    """Give the shipped lab."""
    with lab.start(harness.web_plan()) as running:
        yield running


def sh(running: Lab, line: str, node: str = "client") -> str:
    """Run a shell's line and return its output, less the last newline."""
    return running.output(node, ["sh", "-c", line]).stdout.rstrip("\n")


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 3"], 3),
        (["sh", "-c", "exit 255"], 255),
        (["no-such-program"], 127),
        (["/no/such/program"], 127),
        (["/etc/hosts/program"], 127),
        (["/etc/hosts"], 126),
        (["/etc"], 126),
        (["sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM),
        (["sh", "-c", "kill -KILL $$"], 128 + signal.SIGKILL),
        (["sh", "-c", "kill -SEGV $$"], 128 + signal.SIGSEGV),
    ],
)
def test_exit_statuses(web: Lab, argv: list[str], status: int) -> None:
    """Statuses are those of a shell: the command's own, 127, 126, and 128 + n for signal n."""
    done = web.output("client", argv)
    assert done.returncode == status
    if status in (126, 127):
        assert done.stderr.startswith(f"netlab: {argv[0]}: ")
        assert "node client" in done.stderr


def test_a_path_that_may_not_be_entered(web: Lab, tmp_path: Path) -> None:
    """A directory of PATH that is closed to the user does not make a missing command a forbidden one."""
    closed = "/root"  # to all but root
    done = web.output("client", ["env", f"PATH={closed}:/usr/bin", "sh", "-c", "echo found"])
    assert done.stdout == "found\n"
    path = {"PATH": f"{closed}:/usr/bin"}
    with (tmp_path / "told").open("w+") as told:
        streams = (0, 1, told.fileno())
        assert web.run("client", ["no-such-program"], environment=path, stdio=streams) == 127
        told.seek(0)
        assert "command not found in node client" in told.read()


def test_an_unknown_node_is_named(web: Lab) -> None:
    """A node that is not there is a UsageError with the nearest name, and the lab goes on."""
    with pytest.raises(UsageError, match="no node 'clint' — did you mean 'client'"):
        web.launch("clint", ["true"])
    assert web.run("client", ["true"]) == 0


@pytest.mark.parametrize("size", [200_000, 399_000, 407_000, 500_000])
def test_a_command_that_is_too_long(web: Lab, size: int) -> None:
    """What the channel or the kernel does not take is told, to the caller, and the lab goes on."""
    pieces = {f"V{number}": "x" * 100_000 for number in range(size // 100_000)}
    pieces["LAST"] = "y" * (size % 100_000)
    try:
        assert web.run("client", ["true"], environment=pieces) == 0
        assert size < 400_000
    except LabError as error:
        assert "shorten the command or its environment" in str(error)  # noqa: PT017 — either may happen
        assert size > 390_000
    assert web.run("client", ["true"]) == 0


def test_ten_megabytes_pass_through(web: Lab, tmp_path: Path) -> None:
    """Standard input and output carry 10 MiB of any bytes, by file and by pipe, unaltered."""
    data = os.urandom(1 << 16) * (LARGE >> 16)
    given, got = tmp_path / "given", tmp_path / "got"
    given.write_bytes(data)
    with given.open("rb") as source, got.open("wb") as target:
        assert web.run("client", ["cat"], stdio=(source.fileno(), target.fileno(), 2)) == 0
    assert got.read_bytes() == data
    assert _through_pipes(web, data) == hashlib.sha256(data).hexdigest()


def _through_pipes(web: Lab, data: bytes) -> str:
    """Send data through `cat` by pipes; return the digest of what comes back."""
    (read_in, write_in), (read_out, write_out) = os.pipe(), os.pipe()
    command = web.launch("client", ["cat"], stdio=(read_in, write_out, 2))
    os.close(read_in)
    os.close(write_out)

    def feed() -> None:
        with os.fdopen(write_in, "wb") as sink:
            sink.write(data)

    feeder = threading.Thread(target=feed)
    feeder.start()
    with os.fdopen(read_out, "rb") as source:
        digest = hashlib.sha256(source.read()).hexdigest()
    feeder.join()
    assert command.wait(harness.PATIENCE) == 0
    command.close()
    return digest


def test_streams_are_apart(web: Lab) -> None:
    """Output and error output are two; input comes to its end."""
    done = web.output("client", ["sh", "-c", "echo out; echo err >&2; cat; echo end"], given=b"in\n")
    assert (done.stdout, done.stderr) == ("out\nin\nend\n", "err\n")


def test_a_broken_pipe_ends_a_command(web: Lab) -> None:
    """SIGPIPE has its meaning: a command whose reader leaves ends by it."""
    reading, writing = os.pipe()
    command = web.launch("client", ["yes"], stdio=(0, writing, 2))
    os.close(writing)
    os.read(reading, 10)
    os.close(reading)
    assert command.wait(harness.PATIENCE) == 128 + signal.SIGPIPE
    command.close()


def test_the_environment(web: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the caller's without proxies and resolver habits, with the lab's own names; PATH has sbin."""
    for name in ("http_proxy", "HTTPS_PROXY", "no_proxy", "RES_OPTIONS", "HOSTALIASES"):
        monkeypatch.setenv(name, "of-the-host")
    monkeypatch.setenv("KEPT", "ünïcode \udcff")
    told = web.output("dns", ["env", "-0"]).stdout
    assert "of-the-host" not in told
    variables = dict(entry.split("=", 1) for entry in told.rstrip("\0").split("\0"))
    assert (variables["NETLAB_LAB"], variables["NETLAB_NODE"]) == ("web", "dns")
    assert variables["NETLAB_SEED"] == "2012"
    assert variables["KEPT"].startswith("ünïcode ")
    assert "NETLAB_NOFILE" not in variables
    assert {"/usr/sbin", "/sbin"} <= set(variables["PATH"].split(":"))


def test_an_environment_of_ones_own(web: Lab) -> None:
    """An environment that is given replaces the caller's."""
    status = web.run(
        "client", ["sh", "-c", '[ -z "$HOME" ] && [ "$MINE" = yes ]'], environment={"MINE": "yes"}
    )
    assert status == 0


def test_the_working_directory(web: Lab) -> None:
    """A command starts where its caller is."""
    assert sh(web, "pwd") == str(Path.cwd())


def test_only_three_descriptors_are_inherited(web: Lab) -> None:
    """A command holds its standard streams and nothing of the supervisor's."""
    assert sh(web, "ls /proc/self/fd").split() == ["0", "1", "2", "3"], "3 is the listing itself"


def test_limits_are_the_callers(web: Lab) -> None:
    """The supervisor's need of descriptors does not raise a command's limit: some loop over them all."""
    limit = subprocess.run(["sh", "-c", "ulimit -Sn"], capture_output=True, text=True, check=True).stdout
    assert sh(web, "ulimit -Sn") == limit.strip()


def test_signals_have_their_meaning(web: Lab) -> None:
    """A command ignores and blocks nothing that a program would not expect."""
    told = sh(web, "grep -E '^Sig(Blk|Ign)' /proc/self/status")
    masks = {name: int(mask, 16) for name, _, mask in (line.partition(":") for line in told.splitlines())}
    ordinary = 0x7FFFFFFF  # signals 1 to 31; some above are the C library's own
    assert {name: mask & ordinary for name, mask in masks.items()} == {"SigBlk": 0, "SigIgn": 0}


def test_signals_pass(web: Lab) -> None:
    """A signal goes to the whole group of the command, its children too."""
    reading, writing = os.pipe()
    child = "trap 'echo child; exit' USR1; echo on; sleep 9 & wait"
    script = f"trap 'echo parent; wait; exit 5' USR1; sh -c \"{child}\" & wait"
    command = web.launch("client", ["sh", "-c", script], stdio=(0, writing, 2))
    os.close(writing)
    with os.fdopen(reading) as told:
        assert told.readline() == "on\n"
        command.signal(signal.SIGUSR1)
        assert command.wait(harness.PATIENCE) == 5
        assert {told.readline(), told.readline()} == {"parent\n", "child\n"}
    command.close()


def test_a_client_that_leaves_kills_its_command(web: Lab) -> None:
    """Closing a command kills it with its children, also in its first moments, when it is hardly there."""
    token = harness.make_token()
    for number in range(40):
        command = web.launch("client", ["sh", "-c", f"sleep {token} & sleep {token}"])
        if number % 2:
            assert harness.wait_for(lambda: len(harness.marked(token)) >= 2)
        command.close()
    assert harness.soon(lambda: not harness.marked(token))


def test_background_children_go_on_and_are_reaped(web: Lab) -> None:
    """A child that outlives its command runs on, as on any host, and leaves no zombie when it ends."""
    token = harness.make_token()
    try:
        assert web.run("client", ["sh", "-c", f"sleep {token} &"]) == 0
        assert harness.wait_for(lambda: harness.marked(token))
        assert web.run("client", ["sh", "-c", "for i in 1 2 3 4 5; do (sleep 0.01 &) ; done"]) == 0
        assert harness.marked(token)
        assert web.run("client", ["pkill", "-f", token]) in (0, 128 + signal.SIGTERM)
        states = "ps -eo stat= | grep -c Z"
        assert harness.soon(lambda: sh(web, states) == "0")
    finally:
        assert harness.soon(lambda: not harness.marked(token))


def test_a_terminal_is_the_commands_own(web: Lab) -> None:
    """With `terminal`, the first stream is the controlling terminal, and ^C typed there is a SIGINT."""
    master, slave = os.openpty()
    command = web.launch(
        "client", ["sh", "-c", "test -t 0 && exec cat </dev/tty"], stdio=(slave, slave, slave), terminal=True
    )
    os.close(slave)
    try:
        os.write(master, b"typed\n")
        told = b""
        while told.count(b"typed") < 2:  # the terminal's echo, and cat's answer: now cat reads
            told += os.read(master, 100)
        os.write(master, b"\x03")
        assert command.wait(harness.PATIENCE) == 128 + signal.SIGINT
    finally:
        command.close()
        os.close(master)


def test_a_stream_that_would_block_stays_so(web: Lab) -> None:
    """Passing a descriptor does not change its flags."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = fcntl.fcntl(writing, fcntl.F_GETFL)
    assert web.run("client", ["true"], stdio=(0, writing, 2)) == 0
    assert fcntl.fcntl(writing, fcntl.F_GETFL) == before
    os.close(reading)
    os.close(writing)


def test_a_stopped_lab_says_so() -> None:
    """What is asked of a lab that has ended is a LabError with a sentence, at once."""
    running = lab.start(harness.web_plan())
    command = running.launch("client", ["sleep", "1000"])
    running.stop()
    with pytest.raises(LabError, match="the lab has ended"):
        command.wait(harness.PATIENCE)
    command.close()
    with pytest.raises(LabError, match=r"the lab has ended|cannot talk to the lab"):
        running.run("client", ["true"])


def test_logs_are_readable(web: Lab) -> None:
    """A node's logs are written to a descriptor; of a node without services nothing is."""
    sh(web, "curl -s http://www.lab.test/hello.txt")
    assert '"GET /hello.txt" 200' in _written(web, "web")
    assert _written(web, "client") == ""


def _written(web: Lab, node: str) -> str:
    with tempfile.TemporaryFile("w+") as file:
        running = web.logs(node, file.fileno())
        assert running.wait(harness.PATIENCE) == 0
        running.close()
        file.seek(0)
        return file.read()


def test_real_tools_work_unmodified(web: Lab) -> None:
    """What is typed first in any lab: ping by name, dig -x, curl by name and by address."""
    assert "0% packet loss" in sh(web, "ping -c1 -W5 web")
    assert sh(web, "dig +short -x 10.0.0.80") == "www.lab.test."
    assert sh(web, "curl -s -o /dev/null -w '%{http_code}' http://www.lab.test/") == "200"
    assert sh(web, "curl -s -o /dev/null -w '%{http_code}' http://10.0.0.80/none") == "404"
    done = web.output("client", ["curl", "-sS", "http://192.0.2.1/"])
    assert done.returncode == 7
    assert os.strerror(errno.ENETUNREACH).lower() in done.stderr.lower() or "connect" in done.stderr.lower()
