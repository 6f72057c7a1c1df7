"""The files that a topology is written in: reading one, and what paths in it start from."""

from __future__ import annotations

from pathlib import Path

from netlab.errors import Fault, InputError, Place
from netlab.topology.faults import Mark

MAX_BYTES = 1 << 20


def read_text(path: Path) -> str:
    """Return a file's text, without its byte order mark; InputError where it is none, or too large."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise unreadable(str(path), "no such file", "check the path") from None
    except IsADirectoryError:
        raise unreadable(str(path), "this is a directory", "name the YAML file in it") from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise unreadable(str(path), "the file cannot be read", reason) from None
    if len(data) > MAX_BYTES:
        raise too_large(str(path))
    try:
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        fault = Fault(Place(str(path), line, column), "the file is not UTF-8", "save it in that encoding")
        raise InputError([fault]) from None


def unreadable(file: str, what: str, hint: str) -> InputError:
    """Return the error of a file that is not even looked into."""
    return InputError([Fault(Place(file, 1, 1), what, hint)])


def too_large(file: str) -> InputError:
    """Return the error of a file, or a text, of more than MAX_BYTES."""
    return unreadable(file, "the file is larger than 1 MiB", "a topology needs far less")


def beside(mark: Mark, directory: Path) -> Path:
    """Return what a path that is written there is relative to; `directory` is that of the file asked for."""
    return Path(mark.file).parent if mark.file else directory
