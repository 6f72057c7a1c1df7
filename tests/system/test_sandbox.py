"""The sandbox itself, without a lab: what runs in it is, sees and keeps, and how it ends."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netlab.kernel import sandbox
from netlab.kernel.sandbox import View
from tests.system import harness


def spawn(inside: Callable[[], None], view: View, *, keep: tuple[int, ...] = (), owned: bool = True) -> int:
    """Make a sandbox; pytest-xdist has threads, at which fork warns from Python 3.12 on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return sandbox.spawn(inside, view, keep=keep, owned=owned)


def ask(body: Callable[[], Any], view: View | None = None) -> Any:
    """Run `body` as PID 1 of a sandbox; return what it returned, by way of JSON. The keeper ends well."""
    reading, writing = os.pipe()
    keeper = spawn(lambda: _answer(body, writing), view or View(), keep=(writing,))
    os.close(writing)
    with os.fdopen(reading) as told:
        text = told.read()
    assert os.waitpid(keeper, 0)[1] == 0
    return json.loads(text)


def _answer(body: Callable[[], Any], writing: int) -> None:
    os.write(writing, json.dumps(body()).encode())


def test_it_is_a_world_of_its_own() -> None:
    """PID 1, the same user and group, every capability, and six namespaces that are not the caller's."""

    def look() -> dict[str, Any]:
        status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return {
            "pid": os.getpid(),
            "ids": [os.getuid(), os.geteuid(), os.getgid(), os.getegid()],
            "capabilities": [int(status[f"Cap{kind}"], 16) for kind in ("Eff", "Amb", "Bnd")],
            "namespaces": harness.own_namespaces(),
            "directory": str(Path.cwd()),
        }

    said = ask(look)
    assert said["pid"] == 1
    assert said["ids"] == [os.getuid(), os.geteuid(), os.getgid(), os.getegid()]
    effective, ambient, bounding = said["capabilities"]
    assert effective == ambient == bounding != 0
    differ = {name for name, link in harness.own_namespaces().items() if said["namespaces"][name] != link}
    assert {"user", "net", "mnt", "pid", "ipc", "uts"} <= differ
    assert said["directory"] == "/"


def test_it_keeps_only_what_it_is_told() -> None:
    """Of the caller's descriptors, inheritable or not, only the kept are there; 0, 1, 2 are /dev/null."""
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)

    def look() -> dict[str, str]:
        found = {}
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 — names are wanted
            try:
                found[name] = str(Path(f"/proc/self/fd/{name}").readlink())
            except FileNotFoundError:  # that of the listing itself
                continue
        return found

    try:
        said = ask(look)
    finally:
        os.close(read_end)
        os.close(write_end)
    assert {said.pop(standard) for standard in "012"} == {"/dev/null"}
    # The sandbox's own hold on its outer mounts, and what was kept.
    others = [link for link in said.values() if not link.startswith("mnt:")]
    assert len(others) == 1, said


def test_what_ends_inside_ends_all(tmp_path: Path) -> None:
    """When PID 1 returns, its children are killed, whatever they ignore; the keeper waits for that."""
    token = harness.make_token()

    def leave() -> list[int]:
        subprocess.Popen(["sh", "-c", f"trap '' TERM HUP INT; setsid sleep {token} & sleep {token}"])
        harness.wait_for(lambda: len(harness.marked(token)) >= 2)
        return harness.marked(token)

    assert len(ask(leave)) >= 2
    assert harness.marked(token) == []


def test_an_error_inside_is_no_second_caller() -> None:
    """An exception in the child does not run the caller's code again: the keeper ends, nothing else."""

    def fail() -> None:
        raise RuntimeError("inside")

    keeper = spawn(fail, View())
    assert os.waitstatus_to_exitcode(os.waitpid(keeper, 0)[1]) != 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_keeper_ends_by_signals(number: int) -> None:
    """A caller that handles or ignores signals does not make a keeper that does."""
    before = signal.signal(number, signal.SIG_IGN)
    reading, writing = os.pipe()
    try:
        keeper = spawn(_sleep, View(), keep=(writing,))
    finally:
        signal.signal(number, before)
        os.close(writing)
    os.kill(keeper, number)
    assert os.waitstatus_to_exitcode(os.waitpid(keeper, 0)[1]) == -number
    # PID 1 held the other end: its end is ours to see.
    assert os.read(reading, 1) == b""
    os.close(reading)


def _sleep() -> None:
    while True:
        signal.pause()


def test_many_in_a_row() -> None:
    """The keeper and PID 1, which share mounts while the latter replaces them, keep clear of each other."""
    for _ in range(75):
        keeper = spawn(lambda: None, View())
        assert os.waitpid(keeper, 0)[1] == 0


# -- the view ------------------------------------------------------------------------------------------


def _try_write(path: Path) -> int:
    try:
        path.write_text("x")
    except OSError as error:
        return error.errno or -1
    return 0


def test_visible_and_writable(tmp_path: Path) -> None:
    """Below /tmp, what is visible is seen, not written; what is writable is both; the rest is not there."""
    for name in ("seen", "written", "hidden"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    single = tmp_path / "single"
    single.write_text("one file")

    def look() -> dict[str, Any]:
        return {
            "seen": (tmp_path / "seen" / "file").read_text(),
            "single": single.read_text(),
            "hidden": (tmp_path / "hidden").exists(),
            "write": {name: _try_write(tmp_path / name / "new") for name in ("seen", "written")},
        }

    view = View((tmp_path / "seen", single), (tmp_path / "written",))
    said = ask(look, view)
    assert (said["seen"], said["single"], said["hidden"]) == ("seen", "one file", False)
    assert said["write"] == {"seen": errno.EROFS, "written": 0}
    assert (tmp_path / "written" / "new").read_text() == "x"


def test_views_within_each_other(tmp_path: Path) -> None:
    """A directory may be visible as a part of another, and one may be writable within a visible one."""
    inner = tmp_path / "a" / "b"
    out = inner / "out"
    out.mkdir(parents=True)
    (inner / "file").write_text("deep")

    def look() -> list[Any]:
        return [(inner / "file").read_text(), _try_write(inner / "new"), _try_write(out / "new")]

    for visible in ((tmp_path / "a", inner), (inner, tmp_path / "a"), (inner, inner)):
        assert ask(look, View(visible, (out,))) == ["deep", errno.EROFS, 0]


def test_what_was_mounted_read_only_stays_visible(tmp_path: Path) -> None:
    """The rest of the file system is seen as it is: the interpreter, the libraries, the user's home."""
    known = [sys.prefix, os.__file__, str(Path.home()), "/etc/passwd", "/bin/sh"]
    paths = [path for path in known if not Path(path).is_relative_to("/tmp")]
    assert ask(lambda: [Path(path).exists() for path in paths]) == [Path(path).exists() for path in paths]


def test_modes_of_private_directories() -> None:
    """Any user's daemon finds /tmp and its like with the sticky bit, and shared memory works."""

    def look() -> dict[str, int]:
        return {name: stat.S_IMODE(Path(name).stat().st_mode) for name in ("/tmp", "/var/tmp", "/dev/shm")}

    assert set(ask(look).values()) == {0o1777}


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A view of what does not exist is an OSError with that path; neither keeper nor descriptor is left."""
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 — names are wanted
    with pytest.raises(FileNotFoundError) as caught:
        spawn(_sleep, View((), (tmp_path / "none",)))
    assert caught.value.filename == str(tmp_path / "none")
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert harness.keepers(os.getpid()) == []


REFUSED = """
import os
from pathlib import Path
from netlab.kernel import sandbox, syscalls as sc
user, group = os.geteuid(), os.getegid()
sc.unshare(sc.CLONE_NEWUSER)
Path("/proc/self/setgroups").write_text("deny")
Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
Path("/proc/sys/user/max_user_namespaces").write_text("0")
try:
    sandbox.spawn(lambda: None, sandbox.View(), keep=(), owned=True)
except OSError as error:
    print(error.errno, error.filename)
"""


def test_a_refusal_names_the_call() -> None:
    """Where no user namespace may be made, it is an OSError that names unshare and says why."""
    done = subprocess.run(
        [sys.executable, "-c", REFUSED],
        env=os.environ | {"PYTHONPATH": str(harness.ROOT)},
        capture_output=True,
        text=True,
        timeout=harness.PATIENCE,
        check=False,
    )
    assert done.stdout == f"{errno.ENOSPC} unshare\n", done.stderr
