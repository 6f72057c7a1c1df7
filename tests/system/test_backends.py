"""What any backend must do, at the level of `protocol.Session`: one suite for all, the fake too."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import hashlib
import json
import os
import select
import signal
import struct
import tempfile
import termios
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from netlab import backends, topology
from netlab.backends.fake import FakeBackend
from netlab.backends.protocol import Backend, Request, Running, Session
from netlab.errors import LabError, MachineError, TimeLimitError, UsageError
from netlab.kernel.process import Command
from netlab.plan import make_plan
from netlab.plan.model import Plan
from netlab.report.dissect import dissect
from netlab.report.pcapng import Capture, read_capture
from tests.system import harness

KINDS = ("netns", "docker", "podman", "fake")
# What a backend does not have, and why; a test that needs it says so with `needs`.
LACKS = {
    "fake": {
        "network": "the fake's nodes are names: all of them have the machine's own network",
        "services": "the fake starts no services",
    }
}
MEGABYTE = 1 << 20
STATUS_OF_SIGPIPE = 128 + signal.SIGPIPE
# Ends the services of its node: what runs in its network and is a child of the lab's PID 1.
KILL_SERVICES = """
import os, signal
own = os.readlink("/proc/self/ns/net")
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        parent = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1]
        if parent == "1" and int(pid) != os.getpid() and os.readlink(f"/proc/{pid}/ns/net") == own:
            os.kill(int(pid), signal.SIGKILL)
    except OSError:
        pass
"""
# By hand what needs hold-back-rst: without it, the kernel ends the connection that it knows nothing of.
HANDSHAKE = """
from scapy.all import *
port, isn = RandNum(49152, 65535)._fix(), 1000
segment = IP(dst="10.0.0.80") / TCP(sport=port, dport=80, seq=isn, flags="S")
synack = sr1(segment, timeout=5, verbose=0)
time.sleep(0.2)
fields = {"sport": port, "dport": 80, "seq": isn + 1, "ack": synack.seq + 1}
request = b"GET /hello.txt HTTP/1.1\\r\\nHost: www.lab.test\\r\\nConnection: close\\r\\n\\r\\n"
answers, _ = sr(IP(dst="10.0.0.80") / TCP(flags="PA", **fields) / request, timeout=5, verbose=0)
print(answers[0][1].sprintf("%TCP.flags%"))
"""


def needs(capability: str) -> pytest.MarkDecorator:
    """Skip a test for the backends that lack this."""
    assert any(capability in lacks for lacks in LACKS.values())
    return pytest.mark.usefixtures(capability)


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Give a backend's name."""
    return str(request.param)


@pytest.fixture
def network(kind: str) -> None:
    """Skip where the nodes have no network of their own."""
    _require(kind, "network")


@pytest.fixture
def services(kind: str) -> None:
    """Skip where no services run."""
    _require(kind, "services")


def _require(kind: str, capability: str) -> None:
    if capability in LACKS.get(kind, {}):
        pytest.skip(LACKS[kind][capability])


@pytest.fixture(scope="module")
def backend(kind: str, request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Give a backend that the machine has all for; that of Podman is Docker's, with another socket."""
    if kind == "podman":
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", request.getfixturevalue("podman"))
            yield backends.find("docker")
    elif kind == "fake":
        yield FakeBackend()
    else:
        if kind == "docker":
            request.getfixturevalue("engine")
        yield backends.find(kind)


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory of the scripts, which the labs see."""
    return tmp_path_factory.mktemp("scripts")


@pytest.fixture(scope="module")
def session(backend: Backend, scripts: Path) -> Iterator[Session]:
    """Give a lab of client, dns and web, which all tests share that do not end it."""
    made = backend.start(Request(harness.web_plan(), visible=(scripts,)))
    yield made
    made.close()


@pytest.fixture
def start(backend: Backend, scripts: Path) -> Iterator[Callable[..., Session]]:
    """Start a lab of the test's own: `start(seed=…, out=…)`."""
    with contextlib.ExitStack() as stack:

        def start(*, seed: int = 2012, out: Path | None = None) -> Session:
            plan = replace(harness.web_plan(), seed=seed)
            made = backend.start(Request(plan, out, visible=(scripts,)))
            stack.callback(made.close)
            return made

        yield start


# -- commands, as the tests run them -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, and what it wrote."""

    status: int
    out: bytes
    err: bytes


def command(session: Session, argv: Sequence[str], **how: object) -> Command:
    """Make a command of these words, in `/` unless `directory` says otherwise.

    A container's own PATH counts, where there is one.
    """
    path = {"PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"} if session.shares_machine else {}
    return replace(Command(tuple(argv), "/", path), **how)  # type: ignore[arg-type]


def do(
    session: Session,
    *argv: str,
    node: str = "client",
    given: bytes = b"",
    script: bool = False,
    **how: object,
) -> Done:
    """Run a command to its end."""
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        files[0].write(given)
        files[0].seek(0)
        stdio = [file.fileno() for file in files]
        running = session.run(node, command(session, argv, **how), stdio, script=script)
        stack.callback(running.close)
        status = running.wait(harness.PATIENCE)
        for file in files[1:]:
            file.seek(0)
        return Done(status, files[1].read(), files[2].read())


def sh(session: Session, line: str, **how: object) -> Done:
    """Run a shell's line to its end."""
    return do(session, "sh", "-c", line, **how)  # type: ignore[arg-type]


@contextlib.contextmanager
def piped(session: Session, *argv: str, script: bool = False, **how: object) -> Iterator[tuple[Running, int]]:
    """Give a command that runs, with nothing to read, and a descriptor from which its output is read."""
    reading, writing = os.pipe()
    with open(os.devnull, "r+b") as null:  # noqa: PTH123 — it is only a descriptor
        stdio = (null.fileno(), writing, null.fileno())
        running = session.run("client", command(session, argv, **how), stdio, script=script)
    os.close(writing)
    try:
        yield running, reading
    finally:
        running.close()
        os.close(reading)


def read_until(descriptor: int, wanted: bytes) -> bytes:
    """Read until that has come."""
    told = b""
    while wanted not in told:
        assert select.select([descriptor], [], [], harness.PATIENCE)[0], told
        data = os.read(descriptor, 65536)
        assert data, told
        told += data
    return told


def is_readable(held: int | Running, seconds: float = harness.PATIENCE) -> bool:
    """Whether a descriptor becomes readable in time."""
    return bool(select.select([held], [], [], seconds)[0])


def runs(session: Session, token: str) -> bool:
    """Whether a process of the lab has the token among its arguments, seen from within."""
    return token.encode() in sh(session, "cat /proc/[0-9]*/cmdline 2>/dev/null").out


def write(directory: Path, text: str) -> str:
    """Write a script and return its path, which is nobody else's."""
    text = textwrap.dedent(text)
    path = directory / f"script-{hashlib.sha256(text.encode()).hexdigest()[:12]}.py"
    path.write_text(text)
    return str(path)


# -- how a command ends ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 3"], 3),
        (["sh", "-c", "exit 255"], 255),
        (["sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM),
        (["sh", "-c", "kill -KILL $$"], 128 + signal.SIGKILL),
    ],
)
def test_exit_statuses(session: Session, argv: list[str], status: int) -> None:
    """A status is the command's own, or 128 + n for signal n; nothing is added to its output."""
    assert do(session, *argv) == Done(status, b"", b"")


@pytest.mark.parametrize(
    ("program", "status", "why"),
    [
        ("no-such-program", 127, b"command not found in node client"),
        ("/no/such/program", 127, b"command not found in node client"),
        ("/etc", 126, b"cannot be run in node client"),
    ],
)
def test_a_program_that_cannot_be_run(session: Session, program: str, status: int, why: bytes) -> None:
    """It gives a shell's status, and a sentence on standard error that names program and node."""
    done = do(session, program)
    assert (done.status, done.out) == (status, b"")
    assert done.err.startswith(f"netlab: {program}: ".encode() + why)
    assert done.err.count(b"\n") == 1


def test_a_file_that_is_no_program(session: Session, scripts: Path) -> None:
    """A file of the caller's that may not be executed is 126, with the sentence that it cannot be run."""
    (scripts / "no-program").write_text("no program\n")
    done = do(session, "./no-program", directory=str(scripts))
    assert (done.status, done.out) == (126, b"")
    assert done.err.startswith(b"netlab: ./no-program: cannot be run in node client: ")


def test_a_program_by_its_path(session: Session) -> None:
    """A node's own programs are run by their path, too."""
    assert do(session, "/bin/sh", "-c", "exit 3") == Done(3, b"", b"")


def test_the_status_is_told_twice(session: Session) -> None:
    """To wait for what has ended gives the same again; a signal to it is nobody's."""
    with piped(session, "sh", "-c", "exit 4") as (running, _):
        assert [running.wait(harness.PATIENCE), running.wait(0)] == [4, 4]
        running.signal(signal.SIGKILL)
        assert running.wait(0) == 4


def test_a_wait_that_is_over(session: Session) -> None:
    """`wait` raises TimeLimitError when its time is over, soon, and the command still runs."""
    with piped(session, "sleep", "1000") as (running, _):
        for seconds in (0, 0.05):
            began = time.monotonic()
            with pytest.raises(TimeLimitError, match=f"still runs after {seconds:g} s"):
                running.wait(seconds)
            assert time.monotonic() - began < 10
        running.signal(signal.SIGTERM)
        assert running.wait(harness.PATIENCE) == 128 + signal.SIGTERM


def test_the_end_is_readable(session: Session) -> None:
    """Who polls `fileno`, and waits no time when it is readable, learns of the end without spinning."""
    with piped(session, "sleep", "0.2") as (running, _):
        for _ in range(5):  # a word in between is allowed, as that it has begun
            assert is_readable(running)
            with contextlib.suppress(TimeLimitError):
                assert running.wait(0) == 0
                break
        else:
            pytest.fail("readable, again and again, before the end")


# -- what a command reads and writes -----------------------------------------------------------------


def test_input_comes_to_its_end(session: Session) -> None:
    """What is given is read to its last byte, a newline or none, and then there is no more."""
    assert sh(session, "cat; echo end", given=b"one\ntwo") == Done(0, b"one\ntwoend\n", b"")
    assert sh(session, "cat; echo end") == Done(0, b"end\n", b"")


def test_any_bytes_pass_unharmed(session: Session) -> None:
    """A mebibyte of all bytes through `cat`, from one pipe to another, is what it was."""
    data = os.urandom(MEGABYTE - 256) + bytes(range(256))
    (source, feed), (drain, sink) = os.pipe(), os.pipe()
    running = session.run("client", command(session, ["cat"]), (source, sink, 2))
    os.close(source)
    os.close(sink)
    with ThreadPoolExecutor(1) as pool, open(drain, "rb") as told:  # noqa: PTH123 — a descriptor
        pool.submit(_feed, feed, data)
        assert told.read() == data
    assert running.wait(harness.PATIENCE) == 0
    running.close()


def _feed(descriptor: int, data: bytes) -> None:
    with open(descriptor, "wb") as file:
        file.write(data)


def test_a_conversation(session: Session) -> None:
    """Input arrives as it is written, not only at its end, and so does output."""
    (source, feed), (drain, sink) = os.pipe(), os.pipe()
    line = "while read word; do echo got $word; done"
    running = session.run("client", command(session, ["sh", "-c", line]), (source, sink, 2))
    os.close(source)
    os.close(sink)
    for word in (b"one", b"two", b"three"):
        os.write(feed, word + b"\n")
        assert read_until(drain, b"\n") == b"got " + word + b"\n"
    os.close(feed)
    assert running.wait(harness.PATIENCE) == 0
    running.close()
    os.close(drain)


def test_input_that_nobody_reads(session: Session) -> None:
    """A command that ends without reading its input, which has not ended, ends all the same."""
    source, feed = os.pipe()
    os.write(feed, bytes(4096))
    with open(os.devnull, "wb") as null:  # noqa: PTH123 — it is only a descriptor
        stdio = (source, null.fileno(), null.fileno())
        running = session.run("client", command(session, ["true"]), stdio)
        assert running.wait(harness.PATIENCE) == 0
    running.close()
    os.close(source)
    os.close(feed)


def test_output_and_errors_are_apart(session: Session) -> None:
    """Standard output and standard error are two."""
    assert sh(session, "echo out; echo err >&2; echo out") == Done(0, b"out\nout\n", b"err\n")


def test_output_and_errors_on_one_descriptor(session: Session) -> None:
    """Both to one file come in the order in which they were written."""
    line = "for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done"
    with tempfile.TemporaryFile() as told, open(os.devnull, "rb") as null:  # noqa: PTH123 — as above
        stdio = (null.fileno(), told.fileno(), told.fileno())
        running = session.run("client", command(session, ["sh", "-c", line]), stdio)
        assert running.wait(harness.PATIENCE) == 0
        running.close()
        told.seek(0)
        assert told.read() == b"".join(b"o%d\ne%d\n" % (i, i) for i in range(1, 10))


def test_all_output_is_there_at_the_end(session: Session) -> None:
    """When `wait` returns, what the command wrote has been written, to a file of the caller's too."""
    for _ in range(5):
        done = sh(session, "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2")
        assert (len(done.out), len(done.err)) == (300_000, 300_000)


def test_large_output_to_a_slow_reader(session: Session) -> None:
    """Sixteen mebibytes to a reader that takes its time arrive whole; the command waits for it."""
    line = f"yes 0123456789abcde | head -c {16 * MEGABYTE}"
    digest = hashlib.sha256()
    with piped(session, "sh", "-c", line) as (running, output):
        with pytest.raises(TimeLimitError):
            running.wait(0.3)  # nobody reads yet, and no pipe holds so much
        while data := os.read(output, 65536):
            digest.update(data)
            time.sleep(0.0005)
        assert running.wait(harness.PATIENCE) == 0
    assert digest.digest() == hashlib.sha256(b"0123456789abcde\n" * MEGABYTE).digest()


def test_a_reader_that_goes_away(session: Session) -> None:
    """A command whose output nobody reads any more ends by SIGPIPE, and the lab goes on."""
    reading, writing = os.pipe()
    with open(os.devnull, "r+b") as null:  # noqa: PTH123 — it is only a descriptor
        running = session.run("client", command(session, ["yes"]), (null.fileno(), writing, null.fileno()))
    os.close(writing)
    os.read(reading, 10)
    os.close(reading)
    assert running.wait(harness.PATIENCE) == STATUS_OF_SIGPIPE
    running.close()
    assert do(session, "true").status == 0


def test_a_descriptor_may_be_closed_and_stays_as_it_was(session: Session) -> None:
    """The caller's descriptors are its own: closed at once they still serve, and none changes its flags."""
    with tempfile.TemporaryFile() as told:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        flags = fcntl.fcntl(writing, fcntl.F_GETFL)
        copy = os.dup(told.fileno())
        running = session.run("client", command(session, ["echo", "still"]), (reading, copy, writing))
        os.close(copy)
        os.close(reading)
        assert running.wait(harness.PATIENCE) == 0
        assert fcntl.fcntl(writing, fcntl.F_GETFL) == flags
        running.close()
        os.close(writing)
        told.seek(0)
        assert told.read() == b"still\n"


# -- arguments, environment, directory ---------------------------------------------------------------


def test_arguments_arrive_as_they_are(session: Session) -> None:
    """Empty words, spaces, newlines, quotes and other alphabets."""
    words = ["", " ", "a b", "line\nline", "'\"\\$HOME`*", "ünï→", "-n", "--"]
    assert do(session, "printf", "%s\\0", *words).out == "".join(f"{word}\0" for word in words).encode()


def test_the_environment(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command gets what it is given, whatever is in it, and nothing of the caller's own environment."""
    monkeypatch.setenv("OF_THE_CALLER", "1")
    given = {**command(session, ["env"]).environment, "GIVEN": "ünï = →\nnext", "EMPTY": ""}
    told = do(session, "env", "-0", environment=given).out.decode()
    variables = dict(entry.split("=", 1) for entry in told.rstrip("\0").split("\0"))
    assert variables.items() >= given.items()
    assert "OF_THE_CALLER" not in variables
    assert not [name for name in variables if name.startswith(("PYTEST", "SSH"))]
    if session.shares_machine:
        assert variables == given


def test_the_directory(session: Session) -> None:
    """A command starts where it is told; where there is no such place, at the root, and says so.

    A node that does not share the machine's files may make the place instead.
    """
    assert do(session, "pwd", directory="/usr") == Done(0, b"/usr\n", b"")
    done = do(session, "pwd", directory="/no/such/place")
    if session.shares_machine or done.err:
        assert (done.status, done.out) == (0, b"/\n")
        assert done.err.startswith(b"netlab: /no/such/place cannot be seen in this lab")
    else:
        assert done == Done(0, b"/no/such/place\n", b"")


def test_only_three_descriptors_are_inherited(session: Session) -> None:
    """A command holds its standard streams and nothing else."""
    assert sh(session, "ls /proc/self/fd").out.split() == [b"0", b"1", b"2", b"3"], "3 is the listing itself"


# -- signals -----------------------------------------------------------------------------------------


def test_a_signal_reaches_children(session: Session) -> None:
    """It goes to the command and to what it has started."""
    token = harness.make_token()
    with piped(session, "sh", "-c", f"sleep {token} & echo on; wait") as (running, output):
        read_until(output, b"on\n")
        assert harness.wait_for(lambda: runs(session, token))
        running.signal(signal.SIGTERM)
        assert running.wait(harness.PATIENCE) == 128 + signal.SIGTERM
        assert harness.wait_for(lambda: not runs(session, token))


def test_a_signal_is_what_it_is(session: Session) -> None:
    """A command may handle it and go on; a second one of another number is another."""
    line = "trap 'echo usr1' USR1; trap 'echo int; exit 5' INT; echo on; while :; do sleep 0.01; done"
    with piped(session, "sh", "-c", line) as (running, output):
        read_until(output, b"on\n")
        running.signal(signal.SIGUSR1)
        read_until(output, b"usr1\n")
        running.signal(signal.SIGINT)
        assert running.wait(harness.PATIENCE) == 5
        read_until(output, b"int\n")


def test_a_signal_at_once(session: Session) -> None:
    """A signal in a command's first moment, when it is hardly there, is not lost."""
    for _ in range(10):
        with piped(session, "sleep", "1000") as (running, _):
            running.signal(signal.SIGTERM)
            assert running.wait(harness.PATIENCE) == 128 + signal.SIGTERM


@pytest.mark.parametrize("at_once", [False, True])
def test_to_leave_kills(session: Session, at_once: bool) -> None:
    """Closing a command that runs ends it and its children, also one that has hardly begun."""
    token = harness.make_token()
    for _ in range(3):
        with piped(session, "sh", "-c", f"trap '' TERM HUP; sleep {token} & sleep {token}"):
            assert at_once or harness.wait_for(lambda: runs(session, token))
        assert harness.wait_for(lambda: not runs(session, token))


def test_children_in_the_background_go_on(session: Session) -> None:
    """What a command leaves behind runs on when that has ended, and is no reason to wait."""
    token = harness.make_token()
    with piped(session, "sh", "-c", f"sleep {token} >/dev/null & :") as (running, _):
        assert running.wait(harness.PATIENCE) == 0
    assert harness.wait_for(lambda: runs(session, token))


# -- many --------------------------------------------------------------------------------------------


def test_many_at_once(session: Session) -> None:
    """Commands that run at the same time, in all nodes, have each its own input, output and status."""
    nodes = list(session.info()["nodes"])
    with contextlib.ExitStack() as stack:
        started = []
        for number in range(24):
            told = stack.enter_context(tempfile.TemporaryFile())
            given = stack.enter_context(tempfile.TemporaryFile())
            given.write(b"%d" % number)
            given.seek(0)
            words = command(session, ["sh", "-c", f"sleep 0.2; cat; exit {number}"])
            stdio = (given.fileno(), told.fileno(), told.fileno())
            running = session.run(nodes[number % len(nodes)], words, stdio)
            stack.callback(running.close)
            started.append((running, told))
        for number, (running, told) in enumerate(started):
            assert running.wait(harness.PATIENCE) == number
            told.seek(0)
            assert told.read() == b"%d" % number


def test_many_threads(session: Session) -> None:
    """Threads may use one session; what one asks, another does not get."""

    def work(number: int) -> Done:
        assert session.info()["name"] == "web"
        return sh(session, f"cat; echo {number} >&2; exit {number}", given=b"%d" % number)

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(work, range(24)))
    assert done == [Done(number, b"%d" % number, b"%d\n" % number) for number in range(24)]


def test_a_wait_in_one_thread_and_a_signal_in_another(session: Session) -> None:
    """A command may be ended while a thread waits for it."""
    with piped(session, "sleep", "1000") as (running, _), ThreadPoolExecutor(1) as pool:
        status = pool.submit(running.wait)
        running.signal(signal.SIGTERM)
        assert status.result(harness.PATIENCE) == 128 + signal.SIGTERM


# -- scripts -----------------------------------------------------------------------------------------


def test_a_script(session: Session, scripts: Path) -> None:
    """A Python script has its arguments, its streams, the modules beside it, and its own status."""
    (scripts / "beside_it.py").write_text("VALUE = 42\n")
    text = """
        import sys
        import beside_it
        print(__name__, sys.argv[1:], sys.stdin.read(), beside_it.VALUE)
        print("told", file=sys.stderr)
        sys.exit(7)
        """
    done = do(session, write(scripts, text), "a", "b c", given=b"given", script=True)
    assert done == Done(7, b"__main__ ['a', 'b c'] given 42\n", b"told\n")


def test_a_script_finds_scapy(session: Session, scripts: Path) -> None:
    """Scapy is there to be imported, and says nothing."""
    path = write(scripts, "from scapy.all import IP, UDP\nprint(len(IP() / UDP()))\n")
    assert do(session, path, script=True) == Done(0, b"28\n", b"")


def test_a_script_that_raises(session: Session, scripts: Path) -> None:
    """Its traceback is the script's own: it begins there, and shows nothing of netlab."""
    path = write(scripts, "def fail():\n    raise RuntimeError('so it is')\n\nfail()\n")
    done = do(session, path, script=True)
    assert done.status == 1
    lines = done.err.decode().splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert [line.split(",")[0] for line in lines if line.startswith("  File")] == [f'  File "{path}"'] * 2
    assert lines[-1] == "RuntimeError: so it is"


def test_a_missing_script(session: Session) -> None:
    """It gives 127 and a sentence that names it."""
    done = do(session, "/nowhere/x.py", script=True)
    assert (done.status, done.out) == (127, b"")
    assert done.err.startswith(b"netlab: /nowhere/x.py: ")


def test_a_script_is_signalled_as_a_command_is(session: Session, scripts: Path) -> None:
    """SIGTERM ends it; closing kills it."""
    path = write(scripts, "import time\nprint('on', flush=True)\ntime.sleep(1000)\n")
    with piped(session, path, script=True) as (running, output):
        read_until(output, b"on\n")
        running.signal(signal.SIGTERM)
        assert running.wait(harness.PATIENCE) == 128 + signal.SIGTERM
    with piped(session, path, script=True) as (_, output):
        read_until(output, b"on\n")
        kept = os.dup(output)
    assert os.read(kept, 1) == b""
    os.close(kept)


def test_random_is_seeded(start: Callable[..., Session], scripts: Path) -> None:
    """In two labs of one seed a script draws the same; a second one does not, nor one in another node."""
    path = write(scripts, "import random\nprint([random.random() for _ in range(4)])\n")
    drawn = []
    for _ in range(2):
        lab = start(seed=7)
        drawn.append([do(lab, path, node=node, script=True) for node in ("client", "web", "client")])
        lab.close()
    first, again = drawn
    assert first == again
    assert {done.status for done in first} == {0}
    assert len({done.out for done in first}) == 3


# -- a terminal --------------------------------------------------------------------------------------


@contextlib.contextmanager
def terminal(
    session: Session, line: str, rows: int = 33, columns: int = 101
) -> Iterator[tuple[Running, int]]:
    """Give a shell's line that runs at a terminal of that size, and the terminal's other end."""
    master, slave = os.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
    words = command(session, ["sh", "-c", line], terminal=True)
    running = session.run("client", words, (slave, slave, slave))
    os.close(slave)
    try:
        yield running, master
    finally:
        running.close()
        os.close(master)


def test_a_terminal(session: Session) -> None:
    """With `terminal`, all three streams are one, of the size of the caller's, and it is /dev/tty."""
    with terminal(session, "test -t 0 && test -t 1 && test -t 2 && stty size </dev/tty") as (running, master):
        assert b"33 101\r\n" in read_until(master, b"\n")
        assert running.wait(harness.PATIENCE) == 0


def test_a_terminal_that_changes_its_size(session: Session) -> None:
    """The command is told by SIGWINCH, and finds the new size."""
    line = "trap 'stty size; exit' WINCH; echo on; while :; do sleep 0.01; done"
    with terminal(session, line) as (running, master):
        read_until(master, b"on\r\n")
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("4H", 44, 99, 0, 0))
        read_until(master, b"44 99\r\n")
        assert running.wait(harness.PATIENCE) == 0


def test_what_is_typed(session: Session) -> None:
    """What is typed arrives, Ctrl-C is SIGINT, as the terminal makes it."""
    with terminal(session, "read word; echo got $word; exec sleep 1000") as (running, master):
        os.write(master, b"hello\n")
        read_until(master, b"got hello\r\n")
        os.write(master, b"\x03")
        assert running.wait(harness.PATIENCE) == 128 + signal.SIGINT


# -- what a lab tells --------------------------------------------------------------------------------


def test_info(session: Session) -> None:
    """It says what the plan says, in words that JSON has."""
    info = session.info()
    assert json.loads(json.dumps(info)) == info
    assert (info["name"], info["seed"], info["out"], info["ended"]) == ("web", 2012, None, [])
    assert {name: (told["addresses"], told["services"]) for name, told in info["nodes"].items()} == {
        "client": (["10.0.0.10/24"], []),
        "dns": (["10.0.0.53/24"], ["dns"]),
        "web": (["10.0.0.80/24"], ["http"]),
    }
    assert list(info["nodes"]) == ["client", "dns", "web"]


@pytest.mark.parametrize("node", ["client", "web"])
def test_logs_come_to_an_end(session: Session, node: str) -> None:
    """Without `follow`, the logs that there are, be it none, are written and that is it."""
    with tempfile.TemporaryFile() as told:
        running = session.logs(node, told.fileno(), follow=False)
        assert running.wait(harness.PATIENCE) == 0
        running.close()
        told.seek(0)
        assert node == "web" or told.read() == b""


@needs("services")
def test_logs_are_the_services_own(session: Session) -> None:
    """They hold what a node's service has said."""
    with tempfile.TemporaryFile() as told:
        running = session.logs("web", told.fileno(), follow=False)
        assert running.wait(harness.PATIENCE) == 0
        running.close()
        told.seek(0)
        assert b"http (builtin) serves at 10.0.0.80\n" in told.read()


def test_followed_logs_end_by_sigterm(session: Session, kind: str) -> None:
    """With `follow` they go on until they are told."""
    reading, writing = os.pipe()
    running = session.logs("dns", writing, follow=True)
    os.close(writing)
    if "services" not in LACKS.get(kind, {}):
        read_until(reading, b"serves at")
    with pytest.raises(TimeLimitError):
        running.wait(0.2)
    running.signal(signal.SIGTERM)
    assert running.wait(harness.PATIENCE) == 0
    with open(reading, "rb") as told:  # noqa: PTH123 — a descriptor
        told.read()  # to its end
    running.close()


@needs("services")
def test_followed_logs_grow(session: Session) -> None:
    """What a service writes while they are followed comes."""
    reading, writing = os.pipe()
    running = session.logs("web", writing, follow=True)
    os.close(writing)
    read_until(reading, b"serves at")
    assert do(session, "curl", "-s", "http://10.0.0.80/followed").status == 0
    read_until(reading, b'"GET /followed" 404')
    running.close()
    os.close(reading)


@contextlib.contextmanager
def captured(session: Session, node: str, path: Path) -> Iterator[list[Capture]]:
    """Record a node's packets for a while; the list holds the capture afterwards."""
    taken: list[Capture] = []
    with path.open("wb") as file:
        running = session.packets(node, file.fileno())
    try:
        assert harness.wait_for(lambda: path.stat().st_size > 0)
        yield taken
        running.signal(signal.SIGTERM)
        assert running.wait(harness.PATIENCE) == 0
        taken.append(read_capture(path))
    finally:
        running.close()


def test_packets_end_by_sigterm(session: Session, tmp_path: Path) -> None:
    """They are a whole capture, of the node's interface, with the lab's names for addresses."""
    with captured(session, "dns", tmp_path / "dns.pcapng") as taken:
        pass
    (capture,) = taken
    assert not capture.truncated
    assert [interface.name for interface in capture.interfaces] == ["eth0"]
    assert capture.names == {"10.0.0.10": "client", "10.0.0.53": "dns", "10.0.0.80": "web"}
    assert capture.dropped == 0


@needs("network")
def test_packets_hold_a_ping(session: Session, tmp_path: Path) -> None:
    """What a node sends and what it gets is there, once each."""
    with captured(session, "web", tmp_path / "web.pcapng") as taken:
        assert do(session, "ping", "-c1", "-W5", "10.0.0.80").status == 0
    dissected = [dissect(frame.data) for frame in taken[0].frames]
    told = [str(packet) for packet in dissected]
    assert len([text for text in told if "ICMP" in text.upper()]) == 2, told


# -- what a lab is -----------------------------------------------------------------------------------


@needs("network")
def test_nodes_see_each_other(session: Session) -> None:
    """Every node reaches every other by address and by name, and has the addresses of its plan alone."""
    for node in ("client", "dns", "web"):
        for other in {"client", "dns", "web"} - {node}:
            assert do(session, "ping", "-c1", "-W5", other, node=node).status == 0
    told = do(session, "ip", "-o", "-4", "address").out.decode()
    assert [line.split()[3] for line in told.splitlines()] == ["127.0.0.1/8", "10.0.0.10/24"]


@needs("network")
def test_no_way_leads_out(session: Session) -> None:
    """There is no route to what is not in the lab."""
    for address in ("192.0.2.1", "10.0.1.1"):
        done = do(session, "ping", "-c1", "-W1", address)
        assert done.status == 2
        assert b"Network is unreachable" in done.out + done.err


@needs("services")
def test_services_answer(session: Session) -> None:
    """The name server and the web server of the plan serve the nodes, whose resolver is set."""
    assert do(session, "curl", "-s", "http://www.lab.test/hello.txt").status == 0
    assert do(session, "dig", "+short", "www.lab.test", node="web").out == b"10.0.0.80\n"


@needs("services")
def test_rules_hold(session: Session, scripts: Path) -> None:
    """With hold-back-rst, the client's kernel does not end a connection that a script opens by hand."""
    done = do(session, write(scripts, HANDSHAKE), script=True)
    assert (done.status, done.err) == (0, b"")
    assert b"A" in done.out
    assert b"R" not in done.out


def test_a_node_has_its_name(session: Session, kind: str) -> None:
    """`hostname` says it in each node."""
    if kind == "fake":
        pytest.skip(LACKS[kind]["network"])
    assert [do(session, "uname", "-n", node=node).out for node in ("client", "web")] == [
        b"client\n",
        b"web\n",
    ]


# -- the end -----------------------------------------------------------------------------------------


def test_finish(start: Callable[..., Session], kind: str, tmp_path: Path) -> None:
    """It completes the record, capture and counters, tells that no service had ended, and the lab goes on."""
    out = tmp_path / "out"
    (out / "logs").mkdir(parents=True)
    session = start(out=out)
    assert session.info()["out"] == str(out)
    if "network" not in LACKS.get(kind, {}):
        assert do(session, "ping", "-c1", "-W5", "web").status == 0
    assert session.finish() == []
    capture = read_capture(out / "capture.pcapng")
    assert not capture.truncated
    assert {interface.name for interface in capture.interfaces} == {
        port.port for port in harness.web_plan().ports
    }
    assert list(json.loads((out / "kernel.json").read_text())) == ["client", "dns", "web"]
    if "services" not in LACKS.get(kind, {}):
        _assert_record(out)
    assert do(session, "true").status == 0
    session.close()
    assert not read_capture(out / "capture.pcapng").truncated


def _assert_record(out: Path) -> None:
    """Fail unless packets, logs and counters of a run with a ping are in its record, its owner's."""
    assert len(read_capture(out / "capture.pcapng").frames) >= 2
    counted = json.loads((out / "kernel.json").read_text())
    assert counted["web"]["Icmp"]["InEchos"] == 1
    assert counted["client"]["rules"] == {"hold-back-rst": 0}
    assert {path.name for path in (out / "logs").iterdir()} == {"dns-dns.log", "web-http.log"}
    assert {path.stat().st_uid for path in out.rglob("*")} == {os.geteuid()}


@needs("services")
def test_a_service_that_ended_is_told(start: Callable[..., Session]) -> None:
    """`info` and `finish` name it, with its status, negative for a signal, and its last lines."""
    session = start()
    assert do(session, "python3", "-c", KILL_SERVICES, node="web") == Done(0, b"", b"")
    assert harness.wait_for(lambda: session.info()["ended"])
    (ended,) = session.finish()
    assert (ended["who"], ended["status"]) == ("service http of node web", -signal.SIGKILL)
    assert any("serves at 10.0.0.80" in line for line in ended["log"])
    assert do(session, "true", node="web").status == 0


def test_threads_wait_for_one_command(session: Session) -> None:
    """All of them get its status, though what is said of it is said once; none waits for another's time."""
    for _ in range(5):
        with piped(session, "sleep", "1000") as (running, _), ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(running.wait) for _ in range(4)]
            with pytest.raises(TimeLimitError):
                running.wait(0.05)
            running.signal(signal.SIGTERM)
            assert {each.result(harness.PATIENCE) for each in waiting} == {128 + signal.SIGTERM}


def test_close_ends_what_runs(start: Callable[..., Session]) -> None:
    """A thread that waits for a command learns that the lab has ended; to close twice is harmless."""
    session = start()
    with piped(session, "sleep", "1000") as (running, output), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(running.wait)
        with pytest.raises(TimeLimitError):
            running.wait(0.1)
        session.close()
        with pytest.raises(LabError, match="the lab has ended"):
            waiting.result(harness.PATIENCE)
        assert is_readable(running)
        assert os.read(output, 1) == b""
        running.signal(signal.SIGTERM)  # nobody's
    session.close()


def test_a_lab_that_has_ended_says_so(start: Callable[..., Session]) -> None:
    """A lease is quiet while the lab runs, and readable once it has ended; what is asked then is a LabError.

    To give a lease back changes nothing.
    """
    session = start()
    session.lease().close()
    lease = session.lease()
    assert do(session, "true").status == 0
    assert not is_readable(lease.fileno(), 0.2)
    session.close()
    assert is_readable(lease.fileno())
    lease.close()
    for ask in (session.info, lambda: do(session, "true"), session.lease):
        with pytest.raises(LabError, match=r"the lab has ended|cannot talk to the lab"):
            ask()


def test_nothing_is_left(backend: Backend, kind: str, session: Session) -> None:
    """After `close` there is no process, container or link of the lab, and this process is as it was."""
    assert do(session, "true").status == 0  # what is imported or opened once has been
    name = f"n{harness.make_token().partition('.')[2]}"
    text = f"name: left\nnetworks: {{lan: 10.0.0.0/24}}\nnodes: {{{name}: {{address: 10.0.0.9}}}}\n"
    plan = make_plan(topology.parse(text, file="left.yaml", directory=Path.cwd()))
    token = harness.make_token()
    before = _footprint()
    lab = backend.start(Request(plan))
    with open(os.devnull, "r+b") as null:  # noqa: PTH123 — it is only a descriptor
        words = command(lab, ["sh", "-c", f"sleep {token} & exec sleep {token}"])
        running = lab.run(name, words, (null.fileno(),) * 3)
    with contextlib.closing(lab), contextlib.closing(running):
        assert harness.wait_for(lambda: _sleeps(lab, name, token))
    assert harness.wait_for(lambda: not _more(_footprint(), before)), (before, _footprint())
    assert harness.soon(lambda: not harness.marked(token))
    assert kind != "docker" or not _containers(name)


def _sleeps(lab: Session, node: str, token: str) -> bool:
    return token.encode() in do(lab, "sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null", node=node).out


def _footprint() -> list[set[object]]:
    """Return what of this process and its network a lab might change."""
    gc.collect()
    descriptors = os.listdir("/proc/self/fd")  # noqa: PTH208 — names are wanted
    links = [path.name for path in Path("/sys/class/net").iterdir()]
    children = harness.children(os.getpid())
    namespaces = harness.own_namespaces().items()
    found = (range(len(descriptors)), threading.enumerate(), children, links, namespaces)
    return [set(each) for each in found]


def _more(now: list[set[object]], before: list[set[object]]) -> bool:
    """Whether there is anything that there was not; what an earlier test left to close may have gone."""
    return any(each - was for each, was in zip(now, before, strict=True))


def _containers(node: str) -> list[object]:
    import docker

    with contextlib.closing(docker.from_env()) as client:
        return list(client.containers.list(all=True, filters={"label": f"netlab.node={node}"}))


# -- labs that outlive their makers ------------------------------------------------------------------


@contextlib.contextmanager
def detached(backend: Backend) -> Iterator[str]:
    """Give the name of a lab that was started detached, and end it."""
    name = f"t{harness.make_token().partition('.')[2]}"
    backend.start_detached(Request(harness.web_plan()), name)
    try:
        yield name
    finally:
        end(backend, name)


def end(backend: Backend, name: str) -> None:
    """End a detached lab, if there is one of that name."""
    with contextlib.suppress(UsageError):
        backend.attach(name).close()


def test_a_detached_lab(backend: Backend) -> None:
    """It is found by its name, more than once at a time, and unknown when it has ended."""
    with detached(backend) as name:
        assert name in backend.names()
        one, other = backend.attach(name), backend.attach(name)
        assert one.info()["name"] == "web"
        assert [do(one, "true").status, do(other, "false").status] == [0, 1]
        lease = other.lease()
        one.close()
        assert is_readable(lease.fileno())
        lease.close()
        assert name not in backend.names()
        with pytest.raises(UsageError, match=f"no lab named '{name}' is running"):
            backend.attach(name)
        one.close()
        backend.start_detached(Request(harness.web_plan()), name)  # the name is free again


def test_a_name_that_is_taken(backend: Backend) -> None:
    """It is refused with a sentence; the lab that has it goes on."""
    with detached(backend) as name:
        with pytest.raises(UsageError, match=f"a lab named '{name}' is running already"):
            backend.start_detached(Request(harness.web_plan()), name)
        assert do(backend.attach(name), "true").status == 0
        assert backend.names().count(name) == 1


@pytest.mark.parametrize("name", ["", "two words", "a/b", "x" * 300])
def test_what_is_no_name(backend: Backend, name: str) -> None:
    """It is refused before anything is made."""
    with contextlib.ExitStack() as stack:
        stack.callback(end, backend, name)
        with pytest.raises(UsageError, match="cannot be a lab's name"):
            backend.start_detached(Request(harness.web_plan()), name)
        assert name not in backend.names()


def test_an_unknown_name(backend: Backend) -> None:
    """There is no lab of a name that nobody took."""
    with pytest.raises(UsageError, match="no lab named 'nobody-took-this' is running"):
        backend.attach("nobody-took-this")


def test_a_lab_of_this_process_has_no_name(backend: Backend, session: Session) -> None:
    """Only labs that outlive their makers are listed."""
    assert session.info()["name"] not in backend.names()


# -- live changes --------------------------------------------------------------------------------------


def changed(**different: object) -> Plan:
    """Plan the web lab with a client that has another address, or a variation of that."""
    text = harness.WEB.read_text().replace("10.0.0.10\n", "10.0.0.11\n")
    for old, new in different.items():
        text = text.replace(old, str(new))
    return make_plan(topology.parse(text, file="web.yaml", directory=harness.WEB.parent))


def test_a_change(start: Callable[..., Session]) -> None:
    """A dry run tells, the change does what was told, and afterwards there is nothing to do; and back."""
    session = start()
    before, told = session.info(), ["client: address 10.0.0.10/24 → 10.0.0.11/24"]
    assert [str(change) for change in session.apply(changed(), dry=True)] == told
    assert session.info() == before
    assert [str(change) for change in session.apply(changed())] == told
    assert session.info()["nodes"]["client"]["addresses"] == ["10.0.0.11/24"]
    assert session.apply(changed()) == []
    assert len(session.apply(harness.web_plan())) == 1
    assert session.info() == before


@needs("network")
def test_a_change_is_seen(start: Callable[..., Session]) -> None:
    """Addresses, names, rules, zones and content are the new plan's; what is untouched goes on."""
    session = start()
    with piped(session, "sleep", "1000") as (running, _):
        different = {"firewall: [hold-back-rst]": "firewall: []", "www: 10.0.0.80": "www: 10.0.0.53"}
        told = [str(change) for change in session.apply(changed(**different))]
        assert told[0] == "client: address 10.0.0.10/24 → 10.0.0.11/24"
        assert "10.0.0.11 client" in sh(session, "cat /etc/hosts", node="web").out.decode()
        assert do(session, "ping", "-c", "1", "-W", "10", "10.0.0.11", node="web").status == 0
        named = do(session, "ping", "-c", "1", "-W", "10", "www.lab.test")
        assert named.out.startswith(b"PING www.lab.test (10.0.0.53)")
        with pytest.raises(TimeLimitError):
            running.wait(0)


def test_what_takes_a_new_start(start: Callable[..., Session]) -> None:
    """It is a mistake of the caller's, and the lab is what it was."""
    session = start()
    before = session.info()
    with pytest.raises(UsageError, match="this takes a new start: seed 2012 → 7"):
        session.apply(replace(harness.web_plan(), seed=7))
    assert session.info() == before


def test_a_node_that_goes(kind: str, start: Callable[..., Session]) -> None:
    """What runs in it ends as if it was killed; containers say that they cannot come and go."""
    session = start()
    smaller = replace(harness.web_plan(), nodes=harness.web_plan().nodes[1:])
    with piped(session, "sleep", "1000") as (running, _):
        if kind in ("docker", "podman"):
            with pytest.raises(UsageError, match="cannot be added or removed while the lab runs"):
                session.apply(smaller)
            assert "client" in session.info()["nodes"]
            return
        session.apply(smaller)
        assert running.wait(harness.PATIENCE) == 128 + signal.SIGKILL
    assert "client" not in session.info()["nodes"]
    assert session.apply(harness.web_plan())
    assert do(session, "true").status == 0


@needs("network")
def test_a_change_that_fails(start: Callable[..., Session]) -> None:
    """The error names the step, and nothing of what was done before it stays."""
    session = start()
    before = session.info()
    broken = changed(**{"    firewall: [hold-back-rst]": "    sysctls: {net.ipv4.no_such_thing: 1}"})
    with pytest.raises(MachineError, match=r"no_such_thing .*nothing was changed"):
        session.apply(broken)
    assert session.info() == before
    assert do(session, "ping", "-c", "1", "-W", "10", "10.0.0.10", node="web").status == 0
