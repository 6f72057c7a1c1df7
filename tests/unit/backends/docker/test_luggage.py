"""What is taken into a container: a directory at its own path, but for what is hidden, and not too much."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from netlab.backends.docker import luggage
from netlab.errors import UsageError
from netlab.kernel.files import RECORD_MARKER


def members(packed: bytes) -> dict[str, tarfile.TarInfo]:
    """Return what an archive holds, by absolute path."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        return {f"/{member.name}": member for member in archive}


def test_everything_is_at_its_own_path(tmp_path: Path) -> None:
    """Files and directories, those that are empty too, have the paths that they have here."""
    (tmp_path / "data" / "empty").mkdir(parents=True)
    (tmp_path / "script.py").write_text("print(1)\n")
    (tmp_path / "data" / "zone ä.txt").write_text("x")
    names = {"", "/script.py", "/data", "/data/empty", "/data/zone ä.txt"}
    packed = luggage.pack(tmp_path)
    assert set(members(packed)) == {f"{tmp_path}{name}" for name in names}
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        file = archive.extractfile(f"{tmp_path}/script.py"[1:])
        assert file is not None
        assert file.read() == b"print(1)\n"


def test_what_is_left(tmp_path: Path) -> None:
    """Hidden files and directories, caches, and the records of runs stay."""
    for name in (".git", "__pycache__", "runs/web", "kept"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").touch()
    (tmp_path / ".env").write_text("SECRET=1\n")
    (tmp_path / "runs" / "web" / RECORD_MARKER).touch()
    names = {"", "/kept", "/kept/file", "/runs"}
    assert set(members(luggage.pack(tmp_path))) == {f"{tmp_path}{name}" for name in names}


def test_a_servers_content_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server serves may be hidden; too much of it is refused with a hint of its own."""
    (tmp_path / ".well-known").mkdir()
    (tmp_path / ".well-known" / "security.txt").touch()
    names = {"", "/.well-known", "/.well-known/security.txt"}
    assert set(members(luggage.pack_content(tmp_path))) == {f"{tmp_path}{name}" for name in names}
    monkeypatch.setattr(luggage, "MOST_FILES", 2)
    with pytest.raises(UsageError, match=r"over 2 files .* — serve less, or run the lab with"):
        luggage.pack_content(tmp_path)


def test_links_are_links(tmp_path: Path) -> None:
    """A link, to a file or a directory, or to nothing, is taken as one, and not followed."""
    (tmp_path / "directory").mkdir()
    for name, target in (("a", "script.py"), ("b", "directory"), ("c", "/nowhere"), ("d", "..")):
        (tmp_path / name).symlink_to(target)
    found = members(luggage.pack(tmp_path))
    assert {name: found[f"{tmp_path}/{name}"].linkname for name in "abcd"} == {
        "a": "script.py",
        "b": "directory",
        "c": "/nowhere",
        "d": "..",
    }
    assert len(found) == 6


def test_they_are_roots(tmp_path: Path) -> None:
    """Whoever's they are here, there they are root's, with the modes that they have."""
    for name, mode in (("secret", 0o600), ("program", 0o755)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    found = members(luggage.pack(tmp_path))
    assert {(member.uid, member.gid, member.uname) for member in found.values()} == {(0, 0, "root")}
    assert found[f"{tmp_path}/secret"].mode == 0o600
    assert found[f"{tmp_path}/program"].mode == 0o755


def test_what_is_no_file_stays(tmp_path: Path) -> None:
    """A FIFO is not waited at."""
    os.mkfifo(tmp_path / "fifo")
    assert set(members(luggage.pack(tmp_path))) == {str(tmp_path)}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_what_is_not_ours_to_read_stays(tmp_path: Path) -> None:
    """One file that cannot be read does not keep the others."""
    (tmp_path / "closed").touch(0o000)
    (tmp_path / "open").touch()
    assert set(members(luggage.pack(tmp_path))) == {str(tmp_path), f"{tmp_path}/open"}


def test_the_working_directory_comes_too(tmp_path: Path) -> None:
    """Where the caller is, and the script is not, is there to be entered, and empty."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "other").touch()
    found = members(luggage.pack(tmp_path / "scripts", tmp_path / "here"))
    assert set(found) == {str(tmp_path / "here"), str(tmp_path / "scripts")}


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory counts; as many as are allowed are packed, and one more is refused with its place."""
    monkeypatch.setattr(luggage, "MOST_FILES", 4)
    for name in "abc":
        (tmp_path / name).touch()
    assert len(members(luggage.pack(tmp_path))) == 4
    (tmp_path / "d").touch()
    what = f"{tmp_path} is too much to take into a container: over 4 files or 32 MiB"
    with pytest.raises(UsageError) as caught:
        luggage.pack(tmp_path)
    assert str(caught.value) == f"{what} — put the script, with what it needs, into a directory of its own"


def test_too_large_a_file(tmp_path: Path) -> None:
    """A file of 33 MiB, here a sparse one, is refused before it is read."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(33 << 20)
    with pytest.raises(UsageError, match="over 2000 files or 32 MiB"):
        luggage.pack(tmp_path)


def test_one_file() -> None:
    """What the driver leaves for the fabric only its owner reads."""
    ((name, member),) = members(luggage.pack_file("/run/job", b"bytes")).items()
    assert (name, member.size, member.mode, member.uid) == ("/run/job", 5, 0o600, 0)
