"""The record of a run: capture, trace, the kernels' counters, who served with what, and the logs.

The commands of a lab may write to it too, so every name in it is looked at before it is used.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from netlab.errors import CaptureError, LabError, MachineError, NetlabError, UsageError
from netlab.kernel import files

if TYPE_CHECKING:
    from netlab.report.frame import Frame
    from netlab.report.pcapng import Capture
    from netlab.report.trace import Trace

RUNS = Path("runs")
# It stands in every record: what is beside it is ours to remove. Who writes to the record holds its lock.
MARKER = files.RECORD_MARKER
_NOTE = b"A run of netlab was recorded in this directory; the next one that is replaces its files.\n"
_CAPTURE, _TRACE, _KERNEL, _LOGS = "capture.pcapng", "trace.txt", "kernel.json", "logs"
_SERVICES = "services.json"
_FILES = (_CAPTURE, _TRACE, _KERNEL, _SERVICES)
_MOST_AT_ONCE = 1000
_LENT = "Lent to the lab: "  # a line of the marker
_MOST_NOTED = 4096


@dataclass(frozen=True, slots=True)
class Record:
    """A directory that this process alone writes to; `shown` is the user's name for it.

    `lock` is the descriptor that keeps others away; a process that inherits it does so as well.
    """

    path: Path
    shown: Path
    lock: int

    @property
    def capture(self) -> Path:
        """Every packet that came into a switch."""
        return self.path / _CAPTURE

    @property
    def trace(self) -> Path:
        """One line for each of them."""
        return self.path / _TRACE

    def lend(self, backend: str, lab: str) -> None:
        """Leave the directory to a lab that cannot hold the lock: nobody has it until that lab has ended."""
        os.write(self.lock, f"{_LENT}{backend} {lab}\n".encode())

    def write_trace(self) -> Trace:
        """Write the trace of the capture and return it; raises as the function of that name."""
        return write_trace(self.path)

    def packets(self) -> int:
        """Return how many packets the trace tells of."""
        from netlab.report.trace import read_trace

        with _open(self.trace) as file:
            return len(read_trace(file.read().decode(errors="replace"), str(self.trace)))


# -- taking a directory ------------------------------------------------------------------------------


def claim(out: Path | None, name: str, also: Sequence[str] = ()) -> Record:
    """Take a directory for the record of a run, emptied of an earlier one's files.

    `also` are files that the run has beside the usual ones. `out` is the user's own choice; without it
    `runs/NAME`, or `runs/NAME.2` and so on while others write there. Raises UsageError where another run
    is writing to `out`, or where files that are no record's would be overwritten; MachineError where nothing
    can be written.
    """
    for candidate in _candidates(out, name):
        try:
            record = _try_claim(candidate, (*_FILES, *also))
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


def _try_claim(directory: Path, names: Sequence[str]) -> Record | None:
    """Mark, lock and empty a directory; None where another process holds it, until that ends."""
    directory.mkdir(parents=True, exist_ok=True)
    _check_is_ours(directory)
    # The lock is on a file: through a directory's descriptor, a lab that holds it would find its way out.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    lock = os.open(directory / MARKER, flags, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_lent(os.read(lock, _MOST_NOTED).decode(errors="replace")):
            os.close(lock)
            return None
        _empty(directory, names)
        os.ftruncate(lock, 0)
        os.pwrite(lock, _NOTE, 0)
        os.lseek(lock, 0, os.SEEK_END)
    except OSError as error:
        os.close(lock)
        if error.errno == errno.EWOULDBLOCK:
            return None
        raise
    return Record(directory.resolve(), directory, lock)


def _is_lent(note: str) -> bool:
    """Whether a directory's marker names a lab that runs and will write there."""
    from netlab import backends

    for line in note.splitlines():
        backend, _, lab = line.removeprefix(_LENT).partition(" ")
        if line.startswith(_LENT) and backend in backends.BACKENDS:
            return lab in backends.find(backend).names()
    return False


def _check_is_ours(directory: Path) -> None:
    """Raise UsageError for a directory that holds anything, and is no record's: it is somebody's own."""
    # Before the marker is looked for: another run may be making both, the marker first.
    taken = min((path for path in directory.iterdir() if path.name != MARKER), default=None)
    marker = directory / MARKER
    if taken is not None and (marker.is_symlink() or not marker.is_file()):
        hint = "move it away, or give another --out DIR: a new one, or that of an earlier run"
        raise UsageError(f"{taken} is in the way: it is no part of a run that was recorded there", hint)


def _empty(directory: Path, names: Sequence[str]) -> None:
    """Remove an earlier run's files; a link goes, what it leads to stays."""
    for name in names:
        (directory / name).unlink(missing_ok=True)
    logs = directory / _LOGS
    if logs.is_symlink() or not logs.is_dir():
        logs.unlink(missing_ok=True)
    else:
        for log in logs.glob("*.log"):
            log.unlink(missing_ok=True)
    logs.mkdir(exist_ok=True)


# -- what a run has left -----------------------------------------------------------------------------


def write_trace(directory: Path) -> Trace:
    """Write the trace of a run's capture and return it; what wires did is put into the capture's comments.

    Raises CaptureError where there is no capture that can be read, MachineError where the trace cannot
    be written, and, the trace being there all the same, LabError where the capture is not whole.
    """
    from netlab.report.restating import restate
    from netlab.report.trace import format_trace, trace_of

    capture = _read_capture(directory)
    told = trace_of(capture, str(directory / _CAPTURE))
    path = directory / _TRACE
    try:
        files.replace(path, format_trace(told))
        if capture.has_notes and not capture.truncated:
            path = directory / _CAPTURE
            with files.replacing(path) as file:
                restate(capture, file)
    except OSError as error:
        raise MachineError(f"{path}: {error.strerror}", "name a place that you may write to") from error
    _check_is_whole(told, directory)
    return told


def read_packets(directory: Path) -> tuple[Frame, ...]:
    """Return a run's packets, of which there is one at least, in the order of their time.

    Raises CaptureError where none can be read, LabError where some that there were are missing.
    """
    capture = _read_capture(directory)
    _check_is_whole(capture, directory)
    if not capture.frames:
        raise CaptureError("no packets recorded")
    return tuple(sorted(capture.frames, key=attrgetter("time_ns")))


def read_kernel(directory: Path) -> dict[str, dict[str, dict[str, int]]]:
    """Read what each node's kernel counted in a run: node → protocol (or `rules`) → name → number."""
    import json

    path = directory / _KERNEL
    try:
        with files.open_regular(path) as file:
            counted: dict[str, dict[str, dict[str, int]]] = json.load(file)
    except (OSError, ValueError) as error:
        raise NetlabError(f"{path}: {error}", "is this the directory of a run?") from error
    return counted


def _read_capture(directory: Path) -> Capture:
    from netlab.report.pcapng import capture_of

    path = directory / _CAPTURE
    with _open(path) as file:
        return capture_of(file, str(path))


def _open(path: Path) -> BinaryIO:
    try:
        return files.open_regular(path)
    except OSError as error:
        hint = "was it removed or replaced while the lab ran?"
        raise CaptureError(f"{path}: {error.strerror}", hint) from error


def _check_is_whole(recorded: Capture | Trace, directory: Path) -> None:
    if recorded.dropped:
        lost = f"{recorded.dropped} packet" + "s" * (recorded.dropped != 1)
        hint = "run it again, with less traffic or on a machine that is less busy"
        raise LabError(f"{directory}: incomplete: the recorder lost {lost}", hint)
    if recorded.truncated:
        raise LabError(f"{directory}: incomplete: the recording was broken off", "run it again")
