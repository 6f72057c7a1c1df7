"""`make bench`: how fast netlab is, beside what is possible, in one run on one machine.

Every figure is a median of samples, each from a process of its own, ours and the other's in turn; the limits
are ratios wherever there is something to stand beside. The exit status is 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
NETLAB = str(Path(sys.executable).with_name("netlab"))
WEB = str(ROOT / "topologies" / "web.yaml")
SAMPLES = 5
LACKING = 77  # the exit status of a program beside this one, where what it measures is not to be had


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: `limit` is in the `unit` of `ours`; None where it is only for comparison.

    It is the most that `ours` may be, or the `least` that it must be.
    """

    what: str
    ours: float
    limit: float | None
    unit: str
    beside: str = ""
    least: bool = False

    @property
    def kept(self) -> bool:
        """Whether the limit is kept."""
        if self.limit is None:
            return True
        return self.ours >= self.limit if self.least else self.ours <= self.limit

    def __str__(self) -> str:
        limit = "" if self.limit is None else f"{self.limit:9.2f} {self.unit}"
        verdict = "" if self.limit is None else "ok" if self.kept else "MISSED"
        return f"{self.what:<38}{self.ours:9.2f} {self.unit:<4}{limit:<15}{verdict:<8}{self.beside}"


def figures(command: Sequence[str]) -> dict[str, float]:
    """Run a program that prints one line of JSON; then let the kernel finish what that program left to it."""
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    # The kernel frees namespaces after the process that held them is gone, some thousand a second: the next
    # sample would pay for it. No condition tells when it is done.
    time.sleep(1.5 if "1000" in command else 0.3)
    said: dict[str, float] = json.loads(answer)
    return said


def last_line(text: str) -> str:
    """Return what a program said last; make's own word about it says nothing."""
    said = [line for line in text.splitlines() if line.strip() and not line.startswith("make")]
    return said[-1] if said else "without a word"


def python(program: str, *arguments: str) -> list[str]:
    """Name one of the programs beside this one."""
    return [sys.executable, str(HERE / program), *arguments]


def wall(command: Sequence[str]) -> float:
    """Time a whole process, in seconds: the median after one run that fills the caches."""
    taken = []
    for _ in range(SAMPLES + 1):
        begin = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
        taken.append(time.perf_counter() - begin)
    return median(taken[1:])


def star(hosts: int, limit: float) -> Iterator[Row]:
    """Compare starting and stopping a star of hosts, without services, to the floor's."""
    floor, ours = [], []
    for _ in range(SAMPLES):
        floor.append(figures(python("floor.py", str(hosts))))
        ours.append(figures(python("star.py", str(hosts))))
    for what, most in (("start", limit), ("stop", 3.0)):
        low, high = (median(sample[what] for sample in samples) for samples in (floor, ours))
        beside = f"{high:.1f} ms; floor {low:.1f} ms"
        yield Row(f"{what} a star of {hosts}", high / low, most, "x", beside)


def stars() -> Iterator[Row]:
    """Compare at the three sizes that the limits are set for; 1023 ports is what a bridge takes."""
    yield from star(3, 3.0)
    yield from star(100, 2.0)
    yield from star(1000, 2.0)


def running() -> Iterator[Row]:
    """Measure what a running lab costs: a command in a node, and the memory of one more node."""
    samples = [figures(python("star.py", "3", "--more")) for _ in range(SAMPLES)]
    ours, nsenter = (median(sample[what] for sample in samples) for what in ("exec", "nsenter"))
    yield Row("exec into a running lab", ours / nsenter, 3.0, "x", f"{ours:.1f} ms; nsenter {nsenter:.1f} ms")
    large = figures(python("star.py", "1000", "--more"))["memory"]
    small = median(sample["memory"] for sample in samples)
    beside = f"{small:.0f} KiB at 3 nodes, {large:.0f} KiB at 1000"
    yield Row("memory of an idle node", (large - small) / 997, 100.0, "KiB", beside)


def programs() -> Iterator[Row]:
    """Time whole processes, from the shell's side."""
    with tempfile.TemporaryDirectory() as out:
        yield Row("netlab --help", wall([NETLAB, "--help"]), 0.25, "s")
        yield Row("netlab check", wall([NETLAB, "check", WEB]), 0.25, "s")
        yield Row(
            "netlab run … -- true", wall([NETLAB, "run", "--out", out, WEB, "client", "--", "true"]), 0.6, "s"
        )
        scapy = wall([sys.executable, "-c", "from scapy.all import *"])
        lab = wall(["make", "-s", "lab-dns", f"ARGS=--out {out}"])
        yield Row("make lab-dns", lab, 1.2 * scapy + 0.5, "s", f"importing scapy.all {scapy:.2f} s")


def tcp() -> Iterator[Row]:
    """Compare the crafted endpoint to Scapy's TCP automaton, to sr1 and send, and to the kernel's TCP."""
    said = figures(python("tcp.py"))
    rate = {who: 10.48576 / said[who] for who in ("endpoint", "automaton", "kernel")}
    beside = f"{rate['endpoint']:.1f} MB/s; TCP_client {rate['automaton']:.2f}"
    yield Row("10 MiB through the TCP endpoint", said["endpoint"] / said["automaton"], 1 / 8, "x", beside)
    beside = f"kernel {rate['kernel']:.0f} MB/s"
    yield Row("the same, beside the kernel's TCP", said["endpoint"] / said["kernel"], None, "x", beside)
    beside = f"{said['ours']:.2f} ms; sr1 and send {said['scapy']:.1f} ms"
    yield Row("a handshake of the endpoint's", said["ours"] / said["scapy"], 0.1, "x", beside)


def wire() -> Iterator[Row]:
    """Compare cables with wires in user space to the same cable without: round trips, packets a second."""
    said = figures(python("wire.py"))
    for name, what in WIRES.items():
        plain, wired = said["none rtt"], said[f"{name} rtt"]
        if name != "delay":  # which adds what it is asked for
            beside = f"{wired:.3f} ms; without {plain:.3f} ms"
            yield Row(f"{what}: added round trip", wired - plain, 0.5, "ms", beside)
        rate, most = said[f"{name} rate"], said["none rate"]
        beside = f"without a wire {most:.0f}/s"
        yield Row(f"{what}: packets a second", rate, 30_000, "/s", beside, least=True)
        yield Row(f"{what}: lost at 30000/s", said[f"{name} lost"], 0, "")


# The wires of wire.py.
WIRES = {
    "clear": "wire",
    "loss": "wire with loss",
    "delay": "wire that holds 1 ms",
    "script": "wire with a script",
}


def containers() -> Iterator[Row]:
    """Compare ten containers to the same ones on a native network of their engine's, made as Compose does."""
    samples: dict[str, list[dict[str, float]]] = {"native": [], "netlab": []}
    try:
        for _ in range(SAMPLES):
            for way, taken in samples.items():
                taken.append(figures(python("containers.py", way, "10")))
    except subprocess.CalledProcessError as error:
        if error.returncode != LACKING:
            raise
        print(f"containers: {last_line(error.stderr)}", file=sys.stderr)
        return
    for what, limit in (("up", None), ("down", None), ("up and down", 0.9)):
        parts = what.split(" and ")
        theirs, high = (
            median(sum(sample[part] for part in parts) for sample in taken) for taken in samples.values()
        )
        beside = f"{high:.0f} ms; native {theirs:.0f} ms"
        yield Row(f"10 containers {what}", high / theirs, limit, "x", beside)


# Service, kind of load as flood.py has it, how many, how many at a time, and the least a second.
LOADS = (
    ("dns", "udp", 20000, 64, 2000),
    ("dns", "tcp", 5000, 32, None),
    ("http", "keep", 5000, 32, 500),
    ("http", "close", 2000, 32, None),
)
BEYOND = (
    ("dns", "udp", 20000, 4000),
    ("dns", "tcp", 5000, 64),
    ("http", "keep", 5000, 250),
    ("http", "close", 5000, 400),
)


_BUSY = 0.8  # of one CPU


def loads() -> Iterator[Row]:
    """Load the builtin servers, and BIND and nginx where installed: requests a second, all answers judged."""
    for service, kind, count, flight, least in LOADS:
        said = figures([sys.executable, "-m", "tests.bench.load", service, kind, str(count), str(flight)])
        name = f"{service} {kind}, {flight} at a time"
        yield Row(f"{name}: a second", _rate(said, "builtin"), least, "/s", _real(said), least=True)
        yield Row(f"{name}: wrong or lost", said["builtin wrong"] + said["builtin lost"], 0, "")
    for service, kind, count, flight in BEYOND:
        said = figures([sys.executable, "-m", "tests.bench.load", service, kind, str(count), str(flight)])
        beside = f"{_rate(said, 'builtin'):.0f}/s, {said['builtin lost']:.0f} of {count} lost; {_real(said)}"
        yield Row(f"{service} {kind}, {flight} at a time: wrong", said["builtin wrong"], 0, "", beside)


def _rate(said: dict[str, float], who: str) -> float:
    return said[f"{who} right"] / said[f"{who} seconds"]


def _real(said: dict[str, float]) -> str:
    if "real right" not in said:
        return "the real server is not installed"
    # Then it is the client that could not ask for more.
    least = "at least " if said["real busy"] > _BUSY else ""
    wrong = said["real wrong"] + said["real lost"]
    return f"the real server {least}{_rate(said, 'real'):.0f}/s, {wrong:.0f} not right"


def peers() -> Iterator[Row]:
    """Time the same stars in other tools, in namespaces of their own; for comparison only."""
    isolated = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if os.geteuid() != 0:
        isolated += ["--user", "--map-root-user"]
    for peer in ("mininet", "munet"):
        for hosts in (3, 100):
            taken = _peer([*isolated, "python3", str(HERE / "peers.py"), peer, str(hosts)])
            if isinstance(taken, str):
                print(f"{peer}: {taken}", file=sys.stderr)
                break
            for what in ("start", "stop"):
                yield Row(f"{peer}: {what} a star of {hosts}", taken[what], None, "ms")


def _peer(command: Sequence[str]) -> dict[str, float] | str:
    """Return a peer's times, or why there are none."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode == LACKING:
        return "not installed for this python3"
    if done.returncode != 0:
        return f"failed: {last_line(done.stderr)}"
    said: dict[str, float] = json.loads(done.stdout)
    return said


ROWS: dict[str, Callable[[], Iterator[Row]]] = {
    "stars": stars,
    "running": running,
    "programs": programs,
    "tcp": tcp,
    "wire": wire,
    "containers": containers,
    "load": loads,
    "peers": peers,
}


def main() -> int:
    """Print the table as it grows; 1 if a limit is missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--peers", action="store_true", help="measure Mininet and munet too, where installed")
    parser.add_argument("--only", choices=ROWS, help="measure one group of rows")
    chosen = parser.parse_args()
    groups = [chosen.only] if chosen.only else [name for name in ROWS if name != "peers" or chosen.peers]
    print(f"{'':<38}{'netlab':>13} {'limit':>12}")
    missed = 0
    for group in groups:
        try:
            for row in ROWS[group]():
                print(row, flush=True)
                missed += not row.kept
        except subprocess.CalledProcessError as error:
            missed += 1
            print(f"{' '.join(error.cmd)} failed: {last_line(error.stderr)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
