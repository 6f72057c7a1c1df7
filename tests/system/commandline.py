"""The command line as a user has it: a directory of one's own, a terminal, and nobody else's labs.

Running labs are found by the network namespace: a desk in one of its own sees and ends none but its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netlab.kernel import syscalls as sc
from tests.system.harness import MARK, NETLAB, PATIENCE, ROOT, make_token, marked, soon

SECONDS = 60
# Says that it has begun: an interpreter that is interrupted before has a word, and a status, of its own.
BEGUN = (sys.executable, "-c", "print('begun', flush=True); from netlab.cli import main; main()")
_HOLDER = """
import os, sys
from pathlib import Path
from netlab.kernel import syscalls as sc
user, group = os.geteuid(), os.getegid()
sc.unshare(sc.CLONE_NEWNET | (sc.CLONE_NEWUSER if user else 0))
if user:
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
print("ready", flush=True)
sys.stdin.read()
"""


@dataclass
class Desk:
    """A directory with topologies/ and labs/, and a network namespace for the labs that are started at it."""

    directory: Path
    holder: int
    token: str = field(default_factory=make_token)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its commands; the token shows whose processes they are."""
        bin_directory = Path(sys.executable).parent
        kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "NETLAB_DEBUG")}
        path = f"{bin_directory}:{os.environ['PATH']}"
        # Labs of containers are found by the user's name, and engines are shared.
        kept |= {"LOGNAME": f"desk-{self.holder}-{os.getpid()}"}
        return kept | {MARK: self.token, "PATH": path, "PYTHONPATH": str(ROOT), "SHELL": "/bin/sh"}

    def join(self) -> None:
        """Enter the namespace; for a child between fork and exec."""
        kinds = {"user": sc.CLONE_NEWUSER, "net": sc.CLONE_NEWNET}
        for name in ("user", "net") if os.geteuid() else ("net",):
            namespace = os.open(f"/proc/{self.holder}/ns/{name}", os.O_RDONLY)
            sc.setns(namespace, kinds[name])
            os.close(namespace)

    def netlab(self, *arguments: object, **how: Any) -> subprocess.CompletedProcess[str]:
        """Run a command line to its end."""
        return self.run([*NETLAB, *map(str, arguments)], **how)

    def run(self, argv: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
        """Run any command to its end; standard input is empty unless `input` or `stdin` says otherwise."""
        streams: dict[str, Any] = {"text": True, "timeout": SECONDS, "check": False, "env": self.environment}
        streams |= {"stdin": subprocess.DEVNULL} if "input" not in how else {}
        if not {"stdout", "stderr"} & how.keys():
            streams["capture_output"] = True
        return subprocess.run(argv, cwd=self.directory, preexec_fn=self.join, **(streams | how))  # noqa: PLW1510 — as above

    def start(
        self, *arguments: object, program: tuple[str, ...] = NETLAB, **how: Any
    ) -> subprocess.Popen[str]:
        """Start a command line in a process group of its own, so that Ctrl-C can be sent to it."""
        pipes: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        }
        return subprocess.Popen(
            [*program, *map(str, arguments)],
            cwd=self.directory,
            env=self.environment,
            preexec_fn=self.join,  # noqa: PLW1509 — no threads here
            process_group=0,
            text=True,
            **(pipes | how),
        )

    def up(self, *arguments: object) -> None:
        """Start a lab that goes on."""
        done = self.netlab("up", "topologies/web.yaml", *arguments)
        assert done.returncode == 0, done.stderr

    def left(self) -> list[int]:
        """Return the processes of this desk that run."""
        return marked(self.token)

    def assert_nothing_left(self) -> None:
        """Fail unless all that was started here has ended, or does at once."""
        assert soon(lambda: not self.left(), 2), [
            Path(f"/proc/{pid}/cmdline").read_bytes() for pid in self.left()
        ]


@contextlib.contextmanager
def desk(directory: Path) -> Iterator[Desk]:
    """Set up a desk; whatever becomes of the test, all that was started at it ends."""
    for name in ("labs", "topologies"):
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"ready\n"
    made = Desk(directory, holder.pid)
    try:
        yield made
    finally:
        for pid in made.left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        holder.communicate()


class Terminal:
    """A terminal with a process in its foreground; `text` is all that was shown."""

    def __init__(self, place: Desk, argv: list[str], size: tuple[int, int] = (24, 80), **how: Any) -> None:
        self.master, slave = os.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(slave)
        self._kept = os.dup(slave)  # so that its settings can be read when the process has gone

        def prepare() -> None:
            place.join()
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        streams: dict[str, Any] = {"stdin": slave, "stdout": slave, "stderr": slave}
        self.process = subprocess.Popen(
            argv,
            cwd=place.directory,
            env=place.environment,
            preexec_fn=prepare,  # noqa: PLW1509 — no threads here
            **(streams | how),
        )
        os.close(slave)
        self.text = ""

    def resize(self, rows: int, columns: int) -> None:
        """Change the window's size; the kernel tells the foreground processes."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        """Type, or paste, whatever the length; what is shown meanwhile is taken in."""
        data = text.encode()
        # Once the process has ended, nobody is left to read.
        while data and self.process.poll() is None:
            ready, writable, _ = select.select([self.master], [self.master], [], 0.05)
            if ready:
                self._take()
            if writable:
                data = data[os.write(self.master, data[:512]) :]

    def _take(self) -> bool:
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.text += data.decode(errors="replace")
        return bool(data)

    def wait_for(self, wanted: str | Callable[[str], object], seconds: float = PATIENCE) -> None:
        """Wait until a text, counted from here on, is shown; what was shown until then is put aside."""
        deadline = time.monotonic() + seconds
        while not (wanted(self.text) if callable(wanted) else wanted in self.text):
            left = deadline - time.monotonic()
            assert left > 0, f"{wanted!r} is not among {self.text[-2000:]!r}"
            if select.select([self.master], [], [], left)[0]:
                assert self._take(), f"{wanted!r} is not among {self.text[-2000:]!r}"
        if isinstance(wanted, str):
            self.text = self.text.partition(wanted)[2]

    def wait(self, seconds: float = SECONDS) -> int:
        """Wait for the end of the process, taking in what it shows; return its exit status."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end; shown: {self.text[-2000:]!r}"
            if select.select([self.master], [], [], 0.02)[0]:
                self._take()
        while select.select([self.master], [], [], 0)[0] and self._take():
            pass
        return self.process.returncode

    @property
    def is_restored(self) -> bool:
        """Whether its settings are what they were in the beginning."""
        return termios.tcgetattr(self._kept) == self.before

    def hang_up(self) -> None:
        """Close the window."""
        os.close(self._kept)
        os.close(self.master)
        self._kept = self.master = -1

    def close(self) -> None:
        """Close the window if it is open, and end what is still there."""
        if self.master >= 0:
            self.hang_up()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def terminal(place: Desk, *arguments: object, **how: Any) -> Iterator[Terminal]:
    """Run a command line of netlab in a terminal."""
    window = Terminal(place, [*NETLAB, *map(str, arguments)], **how)
    try:
        yield window
    finally:
        window.close()
