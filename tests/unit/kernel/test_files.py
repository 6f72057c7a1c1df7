"""Files in a directory that others may write to: no name there leads anywhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netlab.kernel import files


@pytest.mark.parametrize("what", ["nothing", "file", "link", "link to nothing", "pipe", "read-only"])
def test_a_file_is_replaced_whatever_had_its_name(tmp_path: Path, what: str) -> None:
    """The name is a file of ours afterwards; what a link led to is as it was, and a pipe blocks nobody."""
    path, other = tmp_path / "trace.txt", tmp_path / "precious"
    other.write_text("precious")
    if what == "pipe":
        os.mkfifo(path)
    elif what.startswith("link"):
        path.symlink_to(other if what == "link" else tmp_path / "nothing")
    elif what != "nothing":
        path.write_text("earlier and longer")
        path.chmod(0o444 if what == "read-only" else 0o644)
    files.replace(path, "né\n")
    assert (path.is_symlink(), path.read_text(encoding="utf-8")) == (False, "né\n")
    assert other.read_text() == "precious"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["precious", "trace.txt"]


def test_what_cannot_be_replaced_leaves_nothing(tmp_path: Path) -> None:
    """A directory of that name is an OSError, and no half-made file stays beside it."""
    (tmp_path / "trace.txt").mkdir()
    with pytest.raises(OSError, match="directory"):
        files.replace(tmp_path / "trace.txt", "text")
    assert [each.name for each in tmp_path.iterdir()] == ["trace.txt"]


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    """A file is; a link to it, a pipe and a directory are refused at once, in words."""
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    with files.open_regular(tmp_path / "file") as file:
        assert file.read() == b"text"
    for name in ("link", "pipe", "."):
        with pytest.raises(OSError, match="not a regular file"):
            files.open_regular(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        files.open_regular(tmp_path / "none")
