"""The shipped labs, run by the command line: each once for all tests that read what it said and recorded."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from pathlib import Path

NETLAB = Path(sys.executable).with_name("netlab")
SEED = 2012


def netlab(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    argv = [str(word) for word in (NETLAB, *words)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)


def run_lab(name: str, out: Path, seed: int = SEED) -> subprocess.CompletedProcess[str]:
    """Run a shipped lab."""
    return netlab("lab", "run", name, "--out", out, "--seed", str(seed))


class Runs:
    """Each lab's one run, which all of pytest's processes share: what it said, where its record is."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.top.mkdir(exist_ok=True)

    def __getitem__(self, name: str) -> tuple[subprocess.CompletedProcess[str], Path]:
        out, said = self.top / name, self.top / f"{name}.json"
        with (self.top / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not said.exists():
                done = run_lab(name, out)
                said.write_text(json.dumps([done.returncode, done.stdout, done.stderr]))
        return subprocess.CompletedProcess(["netlab"], *json.loads(said.read_text())), out
