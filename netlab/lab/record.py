"""The record of a run: a directory with the capture, the trace, the kernels' counters and the logs."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from netlab.errors import MachineError, NetlabError, UsageError

RUNS = Path("runs")
_FILES = ("capture.pcapng", "trace.txt", "kernel.json")
_MOST_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Record:
    """A directory that this process alone writes to, while it holds `lock`; `shown` is the user's name for it."""

    path: Path
    shown: Path
    lock: int

    @property
    def capture(self) -> Path:
        """Every packet that came into a switch."""
        return self.path / "capture.pcapng"

    @property
    def trace(self) -> Path:
        """One line for each of them."""
        return self.path / "trace.txt"

    def write_trace(self) -> None:
        """Write the trace of the capture."""
        from netlab.report.trace import write_trace

        write_trace(self.capture, self.trace)

    def packets(self) -> int:
        """Return how many packets the trace tells of."""
        from netlab.report.trace import read_trace

        return len(read_trace(self.trace.read_text(encoding="utf-8")))


def claim(out: Path | None, name: str) -> Record:
    """Take a directory for the record of a run, emptied of an earlier one's files.

    `out` is the user's own choice; without it `runs/NAME`, or `runs/NAME.2` and so on while others
    write there. Raises UsageError where another run is writing to `out`, MachineError where nothing can be.
    """
    for candidate in _candidates(out, name):
        try:
            record = _try_claim(candidate)
        except OSError as error:
            what = f"cannot write the record to {candidate}: {error.strerror}"
            raise MachineError(what, "give a directory of yours with --out DIR") from error
        if record is not None:
            return record
    raise UsageError(
        f"another run is writing to {out or RUNS / name}", "wait for it, or give another --out DIR"
    )


def _candidates(out: Path | None, name: str) -> Iterator[Path]:
    if out is not None:
        yield out
        return
    yield RUNS / name
    for number in range(2, _MOST_AT_ONCE):
        yield RUNS / f"{name}.{number}"


def _try_claim(directory: Path) -> Record | None:
    """Lock and empty a directory; None where another process holds it, until that ends."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return None
        raise
    for file in (*(directory / name for name in _FILES), *(directory / "logs").glob("*.log")):
        file.unlink(missing_ok=True)
    (directory / "logs").mkdir(exist_ok=True)
    return Record(directory.resolve(), directory, lock)


def read_kernel(directory: Path) -> dict[str, dict[str, dict[str, int]]]:
    """Read what each node's kernel counted in a run: node → protocol (or `rules`) → name → number."""
    import json

    path = directory / "kernel.json"
    try:
        counted: dict[str, dict[str, dict[str, int]]] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise NetlabError(f"{path}: {error}", "is this the directory of a run?") from error
    return counted
