"""The directory of a record: whose files are removed, who holds it, and what is read from it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netlab.backends.docker import session
from netlab.errors import CaptureError, LabError, MachineError, NetlabError, UsageError
from netlab.lab.record import MARKER, claim, read_kernel, read_packets, write_trace
from netlab.report.pcapng import Writer


def capture(directory: Path, *times: int, dropped: int = 0, finished: bool = True) -> Path:
    """Write a run's capture with a packet at each of these times; return the directory."""
    with (directory / "capture.pcapng").open("wb") as file:
        writer = Writer(file)
        writer.add_interface("client")
        for time_ns in times:
            writer.packet(0, time_ns, bytes(60))
        if finished:
            writer.finish(9, len(times), dropped)
    return directory


# -- taking a directory ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["capture.pcapng", "trace.txt", "kernel.json", "logs", "lab.yaml"])
def test_the_users_own_files_are_not_removed(tmp_path: Path, name: str) -> None:
    """Where no run was recorded, what is there is named, and nothing is touched or put beside it."""
    if name == "logs":
        (tmp_path / "logs").mkdir()
        (tmp_path / "logs" / "mine.log").write_text("precious")
    else:
        (tmp_path / name).write_text("precious")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match=f"{tmp_path / name} is in the way: .*, or give another --out DIR"):
        claim(tmp_path, "web")
    assert sorted(tmp_path.rglob("*")) == before
    assert [path.read_text() for path in before if path.is_file()] == ["precious"]


def test_a_link_that_leads_nowhere_is_in_the_way_too(tmp_path: Path) -> None:
    """Nor is a marker that is a link taken for one."""
    (tmp_path / "trace.txt").symlink_to("nowhere")
    (tmp_path / MARKER).symlink_to("/etc/passwd")
    with pytest.raises(UsageError, match=r"trace\.txt is in the way"):
        claim(tmp_path, "web")


def test_other_files_of_a_directory_stay(tmp_path: Path) -> None:
    """What has been put beside a record stays when another one takes its place."""
    os.close(claim(tmp_path, "web").lock)
    (tmp_path / "notes.txt").write_text("mine")
    capture(tmp_path, 1)
    (tmp_path / "logs" / "web-http.log").write_text("of the first run")
    (tmp_path / "trace.txt").mkdir()
    with pytest.raises(MachineError, match=r"cannot write the record to .*: Is a directory"):
        claim(tmp_path, "web")
    (tmp_path / "trace.txt").rmdir()
    os.close(claim(tmp_path, "web").lock)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == [MARKER, "logs", "notes.txt"]


@pytest.mark.parametrize("name", ["logs", "trace.txt", "capture.pcapng"])
def test_a_link_in_a_record_is_not_followed(tmp_path: Path, name: str) -> None:
    """What a lab's command has put in the place of a file of ours goes; what it leads to stays."""
    os.close(claim(tmp_path / "out", "web").lock)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "mine.log").write_text("mine")
    (tmp_path / "out" / "logs").rmdir()
    (tmp_path / "out" / name).symlink_to(precious)
    os.close(claim(tmp_path / "out", "web").lock)
    assert (precious / "mine.log").read_text() == "mine"
    assert not (tmp_path / "out" / name).is_symlink()
    assert (tmp_path / "out" / "logs").is_dir()


def test_a_record_has_one_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that was chosen is refused while it is held; of those in runs/, the next one is taken."""
    monkeypatch.chdir(tmp_path)
    first = claim(None, "web")
    capture(first.path, 1)
    with pytest.raises(UsageError, match="another run is writing to runs/web"):
        claim(Path("runs/web"), "web")
    second = claim(None, "web")
    assert (first.shown, second.shown) == (Path("runs/web"), Path("runs/web.2"))
    assert first.capture.exists()
    held = os.dup(first.lock)
    os.close(first.lock)
    with pytest.raises(UsageError, match="another run is writing"):
        claim(Path("runs/web"), "web")
    os.close(held)
    again = claim(None, "web")
    assert (again.shown, again.capture.exists()) == (Path("runs/web"), False)
    for record in (second, again):
        os.close(record.lock)


def test_the_lock_is_no_way_out_of_a_lab(tmp_path: Path) -> None:
    """A lab inherits it: from a directory's descriptor, unlike a file's, any path could be opened."""
    record = claim(tmp_path, "web")
    with pytest.raises(NotADirectoryError):
        os.open("..", os.O_RDONLY, dir_fd=record.lock)
    os.close(record.lock)


# -- what a run has left -----------------------------------------------------------------------------


def test_a_trace_is_written_beside_its_capture(tmp_path: Path) -> None:
    """It has a line for each packet; a link of its name is replaced, not followed."""
    record = claim(tmp_path / "out", "web")
    (tmp_path / "precious").write_text("precious")
    record.trace.symlink_to(tmp_path / "precious")
    capture(record.path, 1, 2)
    told = record.write_trace()
    assert (len(told.lines), record.packets(), record.trace.is_symlink()) == (2, 2, False)
    assert (tmp_path / "precious").read_text() == "precious"
    os.close(record.lock)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"dropped": 1}, "the recorder lost 1 packet — "),
        ({"dropped": 3}, "the recorder lost 3 packets — "),
        ({"finished": False}, "the recording was broken off — "),
    ],
)
def test_a_record_that_is_not_whole_is_an_error(tmp_path: Path, how: dict[str, int], why: str) -> None:
    """Lost packets, and a recorder that was killed, fail whoever completes or judges the record."""
    capture(tmp_path, 1, 2, **how)
    with pytest.raises(LabError, match=why):
        write_trace(tmp_path)
    assert "# INCOMPLETE: " in (tmp_path / "trace.txt").read_text()
    with pytest.raises(LabError, match=why):
        read_packets(tmp_path)


def test_packets_are_read_in_order_of_time(tmp_path: Path) -> None:
    """Two processors may have recorded them out of it; without any, there is nothing to judge."""
    assert [frame.time_ns for frame in read_packets(capture(tmp_path, 3, 1, 2))] == [1, 2, 3]
    with pytest.raises(CaptureError, match=r"^no packets recorded$"):
        read_packets(capture(tmp_path))


@pytest.mark.parametrize("what", ["nothing", "pipe", "link"])
def test_what_is_no_file_of_the_run_is_not_read(tmp_path: Path, what: str) -> None:
    """A missing capture, a pipe that would block and a link to another capture are refused in words."""
    (tmp_path / "elsewhere").mkdir()
    capture(tmp_path / "elsewhere", 1)
    for name in ("capture.pcapng", "kernel.json"):
        if what == "pipe":
            os.mkfifo(tmp_path / name)
        elif what == "link":
            (tmp_path / name).symlink_to(tmp_path / "elsewhere" / "capture.pcapng")
    why = "No such file" if what == "nothing" else "not a regular file"
    for read in (write_trace, read_packets, read_kernel):
        with pytest.raises(NetlabError, match=why):
            read(tmp_path)


def test_where_a_trace_cannot_be_written_it_says_so(tmp_path: Path) -> None:
    """A directory of its name is no traceback."""
    (capture(tmp_path, 1) / "trace.txt").mkdir()
    with pytest.raises(MachineError, match=r"trace\.txt: Is a directory"):
        write_trace(tmp_path)


def test_a_record_is_lent_until_its_lab_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lab that cannot hold the lock has the directory as long as it runs, and no longer."""
    record = claim(tmp_path / "out", "lab")
    record.lend("docker", "far")
    os.close(record.lock)
    running = ["far"]
    monkeypatch.setattr(session, "names", lambda: running)
    with pytest.raises(UsageError, match="another run is writing"):
        claim(tmp_path / "out", "lab")
    running.clear()
    again = claim(tmp_path / "out", "lab")
    os.close(again.lock)
    assert "far" not in (tmp_path / "out" / MARKER).read_text()
