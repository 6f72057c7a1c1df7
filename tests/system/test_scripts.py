"""A Python script in a node runs as `python script.py` would, with the node's Scapy and the lab's seed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from netlab import lab
from netlab.errors import TimeLimitError
from netlab.lab import Lab
from tests.system import harness

pytestmark = harness.requires("pgrep")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory of the scripts, which the lab sees."""
    return tmp_path_factory.mktemp("scripts")


@pytest.fixture(scope="module")
def web(scripts: Path) -> Iterator[Lab]:
    """Give the shipped lab."""
    with lab.start(harness.web_plan(), visible=[scripts]) as running:
        yield running


@pytest.fixture
def run(web: Lab, scripts: Path) -> Run:
    """Run a script's text in a node: `run(text, *arguments, node=…, given=…)`."""

    def run(
        text: str, *arguments: str, node: str = "client", given: bytes = b""
    ) -> subprocess.CompletedProcess[str]:
        return web.output(node, [str(write(scripts, text)), *arguments], given=given)

    return run


def write(directory: Path, text: str, name: str = "script.py") -> Path:
    """Write a script."""
    path = directory / name
    path.write_text(textwrap.dedent(text))
    return path


RANDOM = "import random\nprint([random.random() for _ in range(9)], random.randint(49152, 65535))\n"
SCAPYS_RANDOM = "from scapy.all import *\nprint(int(RandShort()), int(RandInt()), DNS(id=RandShort()).id)\n"


def in_fresh_lab(scripts: Path, text: str, seed: int) -> list[str]:
    """Run a script twice in client and once in web, in a lab of its own; return what each printed."""
    script = str(write(scripts, text))
    with lab.start(replace(harness.web_plan(), seed=seed), visible=[scripts]) as running:
        return [running.output(node, [script]).stdout for node in ("client", "client", "web")]


@pytest.mark.parametrize("text", [RANDOM, SCAPYS_RANDOM])
def test_random_is_seeded(scripts: Path, text: str) -> None:
    """The same numbers in every lab, also those that Scapy draws; others in a second script, node or seed."""
    first, again, other = (in_fresh_lab(scripts, text, seed) for seed in (2012, 2012, 7))
    assert first == again
    assert len({*first, *other}) == 6
    assert all(first)


@pytest.mark.parametrize(
    ("line", "status", "error"),
    [
        ("pass", 0, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit(-1)", 255, ""),
        ("sys.exit(True)", 1, ""),
        ("sys.exit('the reason')", 1, "the reason\n"),
        ("raise SystemExit(4)", 4, ""),
        ("os._exit(5)", 5, ""),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, ""),
        ("os.kill(os.getpid(), signal.SIGTERM)", 143, ""),
    ],
)
def test_exit_statuses(run: Run, line: str, status: int, error: str) -> None:
    """They are those of a Python program."""
    done = run(f"import os, signal, sys\n{line}\n")
    assert (done.returncode, done.stderr) == (status, error)


def test_a_traceback_is_the_scripts_own(run: Run) -> None:
    """It begins at the script's first frame, shows its lines, and says nothing of netlab."""
    done = run(
        """
        def divide(a):
            return 1 / a
        try:
            divide(0)
        except ZeroDivisionError as error:
            raise RuntimeError("so it is") from error
        """
    )
    assert done.returncode == 1
    assert "netlab/backends" not in done.stderr
    assert done.stderr.count("Traceback") == 2
    assert done.stderr.count('script.py", line') == 3
    assert "return 1 / a" in done.stderr
    assert done.stderr.endswith("RuntimeError: so it is\n")


def test_a_syntax_error_is_shown(run: Run) -> None:
    """With its line and a caret, and no frame of ours."""
    done = run("def broken(:\n    pass\n")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "def broken(:" in done.stderr
    assert "SyntaxError" in done.stderr


def test_a_missing_script_is_127(web: Lab) -> None:
    """A script that is not there gives a sentence."""
    done = web.output("client", ["/nowhere/x.py"])
    assert done.returncode == 127
    assert done.stderr.startswith("netlab: /nowhere/x.py: No such file or directory")


def test_streams(run: Run) -> None:
    """Input and arguments arrive; output keeps its order, however written; nothing is buffered away."""
    text = """
        import os, sys
        print("first", sys.argv[1:])
        os.write(1, b"second\\n")
        print(sys.stdin.read().upper(), end="")
        print("err", file=sys.stderr)
        sys.stdout.write("last without newline")
        """
    done = run(text, "a", "b c", given=b"ein\xc3\xa9\n")
    assert done.stdout == "first ['a', 'b c']\nsecond\nEINÉ\nlast without newline"
    assert done.stderr == "err\n"


def test_it_is_a_program(run: Run) -> None:
    """`__main__` is the script: pickle and typing find its classes there; annotations are evaluated."""
    done = run(
        """
        import pickle, sys, typing
        from dataclasses import dataclass
        class Peer: pass
        @dataclass
        class Link:
            ends: "tuple[Peer, Peer]"
            rate: int = 1
        assert typing.get_type_hints(Link)["ends"] == tuple[Peer, Peer]
        assert Link.__annotations__["rate"] is int
        assert type(pickle.loads(pickle.dumps(Peer()))) is Peer
        assert sys.modules["__main__"].Link is Link
        assert __name__ == "__main__" and __file__ == sys.argv[0]
        """
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_it_imports_what_lies_beside_it(run: Run, scripts: Path) -> None:
    """The script's own directory comes first when it imports, and not the caller's."""
    write(scripts, "VALUE = 42\n", "beside_the_script.py")
    assert run("import beside_the_script\nprint(beside_the_script.VALUE)\n").stdout == "42\n"


def test_it_ends_as_a_program_ends(run: Run) -> None:
    """Threads that are no daemons are waited for, then atexit's functions run, also after an error."""
    text = """
        import atexit, threading, time
        atexit.register(print, "exit")
        threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        """
    assert run(text).stdout == "thread\nexit\n"
    done = run(f"{text.rstrip()}\n        raise SystemExit(3)\n")
    assert (done.returncode, done.stdout) == (3, "thread\nexit\n")


CALLER = """
import atexit, gc, logging, os, sys, warnings
from pathlib import Path
warnings.simplefilter("error")
warnings.showwarning = lambda *_: print("the caller's warning")
logging.basicConfig(filename="/dev/null")
atexit.register(print, "the caller's exit")
from netlab import lab, topology
from netlab.plan import make_plan
plan = make_plan(topology.load(Path(sys.argv[1])))
gc.disable()
garbage = [open("/dev/null") for _ in range(64)]
garbage.append(garbage)
del garbage
with lab.start(plan, visible=[Path(sys.argv[2]).parent]) as running:
    done = running.output("client", sys.argv[2:])
    assert done.returncode == 0, done.stderr
    print(done.stdout + done.stderr)
    sys.stdout.flush()
    os._exit(0)
"""
SCRIPT = """
import gc, logging, warnings
from scapy.all import *
logging.basicConfig(level=logging.INFO, format="%(message)s")
logging.info("logged")
warnings.warn("warned", UserWarning)
files = [open("/dev/null") for _ in range(64)]
gc.collect()
assert [file.read() for file in files] == [""] * 64
print(sr1(IP(dst="10.0.0.80")/ICMP(), timeout=5, verbose=0).src)
send(IP(dst="10.0.0.99", src="10.0.0.10")/UDP(), verbose=0)
"""


def test_it_does_not_meet_its_callers_settings(scripts: Path) -> None:
    """Warnings as errors, log handlers, exit functions and garbage of the lab's maker stay there."""
    path = write(scripts, SCRIPT, "settings.py")
    done = subprocess.run(
        [sys.executable, "-c", CALLER, str(harness.WEB), str(path)],
        capture_output=True,
        text=True,
        timeout=harness.PATIENCE,
        check=False,
        env=os.environ | {"PYTHONPATH": str(harness.ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert "the caller's" not in done.stdout
    assert "10.0.0.80\n" in done.stdout
    assert "logged\n" in done.stdout
    assert "UserWarning: warned\n" in done.stdout
    # Scapy's own log reaches the script's standard error.
    assert "MAC address" in done.stdout


def test_scapy_knows_the_node(run: Run) -> None:
    """Interfaces, routes, addresses and the default interface are those of the script's node."""
    text = """
        from scapy.all import *
        print(sorted(get_if_list()), get_if_addr("eth0"), get_if_hwaddr("eth0"))
        print(conf.route.route("10.0.0.80"), conf.iface)
        print(conf.route.route("192.0.2.1")[2])
        """
    for node in harness.web_plan().nodes:
        (port,) = node.ports
        lines = run(text, node=node.name).stdout.splitlines()
        assert lines[0] == f"['eth0', 'lo'] {port.address.ip} {port.mac}"
        assert lines[1] == f"('eth0', '{port.address.ip}', '0.0.0.0') eth0"
        assert lines[2] == "0.0.0.0"


def test_scapy_sends_and_receives(run: Run) -> None:
    """A crafted query is answered by the lab's server."""
    done = run(
        """
        from scapy.all import *
        query = IP(dst="10.0.0.53")/UDP(sport=50000)/DNS(rd=1, qd=DNSQR(qname="www.lab.test"))
        print(sr1(query, timeout=5, verbose=0)[DNS].an[0].rdata)
        """
    )
    assert done.stdout == "10.0.0.80\n", done.stderr


def test_only_three_descriptors_are_inherited(run: Run) -> None:
    """A script holds nothing of the supervisor's, nor of the interpreter's: no other node's network."""
    done = run("import os\nprint(sorted(map(int, os.listdir('/proc/self/fd')))[:-1])\n")
    assert done.stdout == "[0, 1, 2]\n"


def test_environment_and_directory(web: Lab, scripts: Path) -> None:
    """They are the command's, as for any other program, and not those of the interpreter."""
    path = write(scripts, "import os\nprint(os.getcwd(), sorted(os.environ))\n")
    with path.open() as _, (scripts / "told").open("w+") as told:
        status = web.run("client", [str(path)], environment={"MINE": "1"}, stdio=(0, told.fileno(), 2))
        told.seek(0)
        assert status == 0
        expected = ["MINE", "NETLAB_LAB", "NETLAB_NODE", "NETLAB_SEED", "PATH"]
        assert told.read() == f"{Path.cwd()} {expected}\n"


@pytest.mark.parametrize("caught", [False, True])
def test_keyboard_interrupt(web: Lab, scripts: Path, caught: bool) -> None:
    """SIGINT is KeyboardInterrupt in a script: it may catch it, and else ends with 130 and no traceback."""
    text = """
        import sys, time
        try:
            print("on", flush=True)
            time.sleep(1000)
        except KeyboardInterrupt:
            if "caught" not in sys.argv: raise
            sys.exit(7)
        """
    reading, writing = os.pipe()
    argv = [str(write(scripts, text)), "caught" if caught else ""]
    with (scripts / "errors").open("w+") as errors:
        script = web.launch("client", argv, stdio=(0, writing, errors.fileno()))
        assert os.read(reading, 3) == b"on\n"
        script.signal(signal.SIGINT)
        assert script.wait(harness.PATIENCE) == (7 if caught else 130)
        errors.seek(0)
        assert errors.read() == ""
    script.close()
    os.close(reading)
    os.close(writing)


def test_a_hundred_scripts_at_once(web: Lab, scripts: Path) -> None:
    """The interpreter forks for many at a time; each gives its own status."""
    path = str(write(scripts, "import sys\nsys.exit(int(sys.argv[1]))\n"))
    started = [web.launch(web.nodes[number % 3], [path, str(number)]) for number in range(100)]
    statuses = [script.wait(60) for script in started]
    for script in started:
        script.close()
    assert statuses == list(range(100))


def test_a_script_that_is_left_at_once_never_runs(scripts: Path) -> None:
    """Closed before the interpreter has imported Scapy, a script leaves no trace of having run."""
    mark = write(scripts, "open('/tmp/left', 'w')\nimport time\ntime.sleep(1000)\n", "left.py")
    look = write(scripts, "import os\nprint(os.path.exists('/tmp/left'))\n", "look.py")
    with lab.start(harness.web_plan(), visible=[scripts]) as running:
        for _ in range(5):
            running.launch("client", [str(mark)]).close()
        assert running.output("client", [str(look)]).stdout == "False\n"
        count = ["pgrep", "-f", "-c", "."]
        # PID 1, two services, the interpreter; what was called off may take a moment to be collected.
        assert harness.wait_for(lambda: int(running.output("client", count).stdout) <= 5)


def test_a_script_that_ignores_sigterm_is_ended(web: Lab, scripts: Path) -> None:
    """The time limit holds for scripts too."""
    text = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(1)\n"
    path = str(write(scripts, text))
    web.output("client", [str(write(scripts, "", "warm.py"))])
    started = time.monotonic()
    with pytest.raises(TimeLimitError, match=r"after 0\.5 s, its time limit"):
        web.run("client", [path], seconds=0.5)
    assert time.monotonic() - started < 10
    assert web.output("client", ["pgrep", "-f", path]).stdout == ""
