"""The files that a topology gives a node: laid over the machine's, or written where they are a container's.

A lab sees the machine's files read-only, and what is not there cannot be made. So a directory that is to get
a further entry is covered by one in memory with all the old entries bound into it, for this node alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from netlab.errors import LabError
from netlab.kernel import syscalls as sc
from netlab.kernel.sandbox import PRIVATE
from netlab.topology.given import GivenFile

_OWN = tuple(map(Path, (*PRIVATE, "/dev/shm")))  # noqa: S108 — names of mount points, in memory
_MOST_ENTRIES = 10_000  # each is a mount; a mount namespace may have 100 000 (proc(5), mount-max)


def lay_over(files: Iterable[GivenFile], store: Path, node: str) -> None:
    """Bind files over what has their names in this process's mount namespace; `store` keeps them.

    Raises LabError for a place where no file can be, OSError where the kernel refuses.
    """
    opened: list[Path] = []
    for number, file in enumerate(files):
        try:
            target = Path(file.path).resolve()
            _make_room(target, file, node, opened)
        except PermissionError as error:
            what = f"the file {file.path} of node {node} cannot be: {error.filename} may not be looked at"
            raise LabError(what, "choose another place for it") from error
        source = store / str(number)
        source.parent.mkdir(parents=True, exist_ok=True)
        _write(source, file)
        sc.mount(str(source), str(target), flags=sc.MS_BIND)
    for directory in opened:
        sc.mount_setattr(str(directory), set_=sc.MOUNT_ATTR_RDONLY)


def write(files: Iterable[GivenFile], node: str) -> None:
    """Write files where this process is, with the directories that they need; LabError where that fails."""
    for file in files:
        path = Path(file.path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, file)
        except OSError as error:
            what = f"the file {file.path} of node {node} cannot be written: {error.strerror}"
            raise LabError(what, "choose another place for it") from error


def _write(path: Path, file: GivenFile) -> None:
    path.write_bytes(file.data)
    path.chmod(file.mode)


def _make_room(target: Path, file: GivenFile, node: str, opened: list[Path]) -> None:
    """Make an empty file to bind another one over, unless there is one."""
    if target.is_dir():
        what = f"the file {file.path} of node {node} cannot be: the machine has a directory there"
        raise LabError(what, "name a file in it, or choose another place")
    if target.exists():
        return
    held = next(parent for parent in target.parents if parent.exists())
    if held == Path("/"):
        what = f"the file {file.path} of node {node} cannot be: the machine has no {Path(*target.parts[:2])}"
        raise LabError(what, "a lab adds nothing to the root: choose a place below /srv, /opt, /etc or /tmp")
    if not held.is_dir():
        what = f"the file {file.path} of node {node} cannot be: {held} is no directory on this machine"
        raise LabError(what, "choose another place for it")
    if not os.access(held, os.W_OK):
        _open_up(held, file, node)
        opened.append(held)
    elif held.stat().st_dev not in {place.stat().st_dev for place in (*_OWN, *opened) if place.is_dir()}:
        # What the lab can write to and is not its own is the record's directory, which is the machine's.
        what = (
            f"the file {file.path} of node {node} cannot be: {held} is the record's, which outlives the lab"
        )
        raise LabError(what, "choose another place for it, as below /srv or /tmp")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch()


def _open_up(directory: Path, file: GivenFile, node: str) -> None:
    """Cover a directory by one in memory that has the same entries, and takes further ones."""
    try:
        names = os.listdir(directory)  # noqa: PTH208 — names are wanted
    except PermissionError:
        names = None
    if names is None or len(names) > _MOST_ENTRIES:
        why = "may not be listed" if names is None else f"has more than {_MOST_ENTRIES} entries"
        what = f"the file {file.path} of node {node} cannot be: {directory} {why}"
        raise LabError(what, "choose another place for it, as below /srv or /tmp")
    mode = stat.S_IMODE(directory.stat().st_mode)
    below = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    sc.mount("tmpfs", str(directory), "tmpfs", sc.MS_NOSUID | sc.MS_NODEV, f"mode={mode:o}")
    for name in names:
        # What is below, with what is mounted there; from now on, the name alone leads elsewhere.
        _bind_entry(Path(f"/proc/self/fd/{below}", name), directory / name)
    os.close(below)


def _bind_entry(old: Path, new: Path) -> None:
    found = old.lstat().st_mode
    if stat.S_ISLNK(found):
        new.symlink_to(old.readlink())
    elif stat.S_ISDIR(found):
        new.mkdir()
        sc.mount(str(old), str(new), flags=sc.MS_BIND | sc.MS_REC)
    else:
        new.touch()
        sc.mount(str(old), str(new), flags=sc.MS_BIND)
