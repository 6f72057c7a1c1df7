"""What a container is given of the caller's machine: a script with what lies beside it, a server's content.

Containers see nothing of the machine, which may be another one; what they need goes to the same path there.
"""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from netlab.errors import UsageError
from netlab.kernel.files import RECORD_MARKER

MOST_FILES = 2000
MOST_BYTES = 32 << 20


def pack(directory: Path, also: Path | None = None) -> bytes:
    """Return a tar archive of a script's directory, at its own path; with `also`, an empty directory there.

    What is hidden, cached, unreadable or a run's record is left. UsageError where it is more than fits a lab.
    """
    hint = "put the script, with what it needs, into a directory of its own"
    empty = [] if also is None else [also]
    return _pack(chain(empty, _files(directory)), directory, hint)


def pack_content(directory: Path) -> bytes:
    """Return a tar archive of all that a server serves, at its own path; UsageError as above."""
    hint = "serve less, or run the lab with --backend netns, which shows a server the directory itself"
    return _pack([directory, *sorted(directory.rglob("*"))], directory, hint)


def _pack(paths: Iterable[Path], directory: Path, hint: str) -> bytes:
    packed = io.BytesIO()
    count = size = 0
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in paths:
            count += 1
            with contextlib.suppress(PermissionError, FileNotFoundError):  # not ours to read, or just gone
                size += path.lstat().st_size
                if count > MOST_FILES or size > MOST_BYTES:
                    most = f"{MOST_FILES} files or {MOST_BYTES >> 20} MiB"
                    what = f"{directory} is too much to take into a container: over {most}"
                    raise UsageError(what, hint)
                archive.add(path, _name(path), recursive=False, filter=_as_root)
    return packed.getvalue()


def pack_file(path: str, data: bytes) -> bytes:
    """Return a tar archive of one file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo(path.lstrip("/"))
        member.size, member.mode = len(data), 0o600
        archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def _files(directory: Path) -> Iterator[Path]:
    for root, directories, names in os.walk(directory):
        here = Path(root)
        yield here
        directories[:] = sorted(
            name
            for name in directories
            if not name.startswith(".")
            and name != "__pycache__"
            and not (here / name / RECORD_MARKER).exists()
        )
        links = [name for name in directories if (here / name).is_symlink()]  # os.walk does not enter them
        yield from (here / name for name in sorted([*links, *names]) if not name.startswith("."))


def _name(path: Path) -> str:
    return str(path.absolute()).lstrip("/")


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Let a file be root's there, who may read what its owner may; neither devices nor sockets come along."""
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
