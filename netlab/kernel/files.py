"""Files in a directory that the commands of a lab may write to as well: no name in it can be trusted."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# It stands in every directory that holds a run's record.
RECORD_MARKER = ".netlab-run"


def replace(path: Path, text: str) -> None:
    """Write a file anew, whatever has its name; what that leads to stays as it is. Raises OSError."""
    with replacing(path) as file:
        file.write(text.encode())


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a file that takes the place of another with the end of the block, as `replace` has it."""
    fresh = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(fresh, flags, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        fresh.replace(path)  # rename(2) follows no link, and opens nothing
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read it; OSError where its name is a link's, or that of a pipe, which could block."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _refusal(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _refusal(path)
    return os.fdopen(descriptor, "rb")


def _refusal(path: Path) -> OSError:
    return OSError(errno.EINVAL, "not a regular file", str(path))
