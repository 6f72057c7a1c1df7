"""The Makefile before anything is set up: which interpreter it takes, and what it says where none will do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

# What the recipes may call; python3 is not among them, so that each test brings its own, or none.
TOOLS = (
    "cat",
    "cp",
    "echo",
    "env",
    "expand",
    "find",
    "flock",
    "grep",
    "kill",
    "mkdir",
    "printf",
    "rm",
    "sed",
    "sh",
)
TOOLS += ("make", "sleep", "tail", "touch", "uname")

OLD = 'case "$2" in *version_info*) echo 3.9 ;; *) exit 1 ;; esac'
BARE = 'case "$2" in *version_info*) echo 3.12 ;; *) exit 1 ;; esac'
BROKEN = "echo 'no such version is set' >&2; exit 127"
# Makes a virtual environment whose python writes down what pip was asked for; PIP_FAILS makes it fail.
WHOLE = r"""
case "$*" in
    *version_info*) echo VERSION ;;
    *ensurepip*) exit 0 ;;
    "-m venv .venv")
        mkdir -p .venv/bin
        echo "VERSION" >> made
        cp "$0" .venv/bin/python ;;
    "-m pip --version") exit 0 ;;
    *"pip install"*)
        echo "$*" >> asked
        sleep "${PIP_TAKES:-0}"
        if [ -n "${PIP_FAILS:-}" ]; then echo "ERROR: no route to the index" >&2; exit 1; fi ;;
    *compileall*) echo "$*" >> compiled ;;
esac
"""


class Checkout:
    """A directory with the Makefile and little else, and a PATH that is all its own."""

    def __init__(self, directory: Path, makefile: Path) -> None:
        self.directory = directory
        self.path = directory.parent / "path"
        self.path.mkdir()
        directory.mkdir()
        shutil.copy(makefile, directory)
        (directory / "pyproject.toml").write_text('[dependency-groups]\ndev = ["pytest"]\n')
        (directory / "netlab").mkdir()
        (directory / "netlab" / "__init__.py").touch()
        for tool in TOOLS:
            if found := shutil.which(tool):
                (self.path / tool).symlink_to(found)

    def add(self, name: str, script: str) -> Path:
        """Put a shell script on PATH."""
        file = self.path / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return file

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start make; its standard output and error are pipes."""
        return subprocess.Popen(
            ["make", *arguments],
            cwd=self.directory,
            env={"PATH": str(self.path), "LANG": "C.UTF-8", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run make to its end."""
        with self.start(*arguments, **environment) as process:
            output, errors = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)

    def lines(self, name: str) -> list[str]:
        """Read what the fake interpreters wrote down."""
        file = self.directory / name
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def checkout(tmp_path: Path, root: Path) -> Checkout:
    """Make a checkout in a directory whose name has a space."""
    return Checkout(tmp_path / "a checkout", root / "Makefile")


def sentences(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Keep what netlab itself said, without make's own line about a recipe that failed."""
    return [line for line in done.stderr.splitlines() if not line.startswith("make")]


def refuses(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """One sentence with these words, and exit status 2."""
    (sentence,) = sentences(done)
    assert sentence.startswith("netlab: ")
    for word in words:
        assert word in sentence
    assert done.returncode == 2


@pytest.mark.parametrize("goal", ["lab-dns", "test", "check", "bench"])
def test_without_python_one_sentence_says_what_to_install(checkout: Checkout, goal: str) -> None:
    """No python3 at all: no trace of a shell's own complaint, the command that helps, exit status 2."""
    refuses(checkout.make(goal), "there is no python3", "sudo apt install python3")
    assert not (checkout.directory / ".venv").exists()


def test_an_interpreter_that_does_not_run_counts_as_none(checkout: Checkout) -> None:
    """A version manager's stand-in on PATH, with no version behind it, is not taken for a Python."""
    checkout.add("python3", BROKEN)
    refuses(checkout.make("lab-dns"), "there is no python3 that runs")


def test_too_old_a_python_is_named_with_its_version(checkout: Checkout) -> None:
    """A python3 older than 3.11: the sentence says which, what is needed, and how to name another."""
    checkout.add("python3", OLD)
    refuses(checkout.make("lab-dns"), "Python 3.11 or newer", "python3 is 3.9", "make PYTHON=")


@pytest.mark.parametrize(
    ("name", "package"), [("python3", "python3-venv"), ("python3.12", "python3.12-venv")]
)
def test_a_python_without_ensurepip_is_told_its_package(checkout: Checkout, name: str, package: str) -> None:
    """Debian ships ensurepip apart: the sentence names the package that goes with this interpreter."""
    checkout.add(name, BARE)
    refuses(checkout.make("lab-dns"), f"{name} cannot make", f"sudo apt install {package}")


def test_beside_an_old_python_the_newest_fitting_one_is_taken(checkout: Checkout) -> None:
    """python3 is too old, 3.13 lacks ensurepip: 3.12 is taken rather than 3.11."""
    checkout.add("python3", OLD)
    checkout.add("python3.13", BARE)
    checkout.add("python3.12", WHOLE.replace("VERSION", "3.12"))
    checkout.add("python3.11", WHOLE.replace("VERSION", "3.11"))
    done = checkout.make(".venv/.installed")
    assert done.returncode == 0, done.stderr
    assert checkout.lines("made") == ["3.12"]


def test_an_interpreter_that_the_user_names_is_the_only_one_tried(checkout: Checkout) -> None:
    """PYTHON= is a wish: another interpreter does not step in when it is too old."""
    named = checkout.add("mine", OLD)
    checkout.add("python3", WHOLE.replace("VERSION", "3.12"))
    refuses(checkout.make("lab-dns", f"PYTHON={named}"), "mine is 3.9")
    refuses(checkout.make("lab-dns", PYTHON=str(named)), "mine is 3.9")


def test_another_system_than_linux_is_refused(checkout: Checkout) -> None:
    """Before anything is made, a machine without Linux's namespaces is told so."""
    (checkout.path / "uname").unlink()
    checkout.add("uname", "echo Darwin")
    checkout.add("python3", WHOLE.replace("VERSION", "3.12"))
    refuses(checkout.make("lab-dns"), "this is Darwin", "Linux")


def test_another_system_may_have_an_engine(checkout: Checkout) -> None:
    """Where labs are to be containers, the machine that asks for them need not be Linux."""
    (checkout.path / "uname").unlink()
    checkout.add("uname", "echo Darwin")
    checkout.add("python3", WHOLE.replace("VERSION", "3.12"))
    refuses(checkout.make(".venv/.installed"), "make BACKEND=docker")
    assert checkout.make(".venv/.installed", "BACKEND=docker").returncode == 0
    assert checkout.lines("made") == ["3.12"]


def test_when_pip_fails_its_words_are_shown_and_make_begins_anew(checkout: Checkout) -> None:
    """A half-made .venv is not taken for a whole one: the next make sets it up again, and then it is done."""
    checkout.add("python3", WHOLE.replace("VERSION", "3.12"))
    failed = checkout.make(".venv/.installed", PIP_FAILS="yes")
    assert failed.returncode == 2
    assert "ERROR: no route to the index" in failed.stderr
    assert "is there a network?" in failed.stderr
    again = checkout.make(".venv/.installed")
    assert again.returncode == 0, again.stderr
    assert checkout.lines("made") == ["3.12", "3.12"]


def test_set_up_is_done_once_and_says_one_line(checkout: Checkout) -> None:
    """The first make says that it takes a while; the second starts no interpreter and says nothing of it."""
    checkout.add("python3", WHOLE.replace("VERSION", "3.12"))
    first = checkout.make(".venv/.compiled")
    assert first.stdout == "Setting up .venv (once, about 30 s) …\n"
    assert checkout.lines("compiled") == ["-m compileall -q netlab"]
    (checkout.path / "python3").unlink()
    (checkout.directory / ".venv" / "bin" / "python").unlink()
    second = checkout.make(".venv/.compiled")
    assert second.returncode == 0, second.stderr
    assert "Setting up" not in second.stdout


def test_a_changed_pyproject_brings_the_same_environment_up_to_date(checkout: Checkout) -> None:
    """New dependencies are installed into the .venv that is there, which is not made anew."""
    checkout.add("python3", WHOLE.replace("VERSION", "3.12"))
    checkout.make(".venv/.installed")
    stamp = checkout.directory / ".venv" / ".installed"
    now = stamp.stat().st_mtime
    os.utime(stamp, (now - 10, now - 10))
    os.utime(checkout.directory / "pyproject.toml", (now - 5, now - 5))
    done = checkout.make(".venv/.installed")
    assert done.stdout == "Bringing .venv up to date …\n"
    assert checkout.lines("made") == ["3.12"]
    assert len(checkout.lines("asked")) == 2


def test_a_directory_that_was_moved_gets_a_new_environment(checkout: Checkout) -> None:
    """A .venv holds absolute paths, so that after a move it would start nothing."""
    checkout.add("python3", WHOLE.replace("VERSION", "3.12"))
    checkout.make(".venv/.installed")
    checkout.directory = checkout.directory.rename(checkout.directory.with_name("elsewhere"))
    assert checkout.make(".venv/.installed").returncode == 0
    assert checkout.lines("made") == ["3.12", "3.12"]


@pytest.mark.parametrize("with_flock", [True, False])
def test_two_at_once_set_up_once(checkout: Checkout, with_flock: bool) -> None:
    """The second make waits for the first and finds the work done, with flock and without."""
    if not with_flock:
        (checkout.path / "flock").unlink(missing_ok=True)
    checkout.add("python3", WHOLE.replace("VERSION", "3.12"))
    both = [checkout.start(".venv/.compiled", PIP_TAKES="0.5") for _ in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert checkout.lines("made") == ["3.12"]
    assert len(checkout.lines("asked")) == 1
    assert not (checkout.directory / ".venv.lock").exists()


def test_a_lab_gets_its_seed_backend_and_arguments(checkout: Checkout) -> None:
    """SEED=, BACKEND= and ARGS= reach the command; without them it has none."""
    checkout.add("python3", WHOLE.replace("VERSION", "3.12"))
    checkout.make(".venv/.compiled")
    command = checkout.directory / ".venv" / "bin" / "netlab"
    command.write_text('#!/bin/sh\necho "$@"\n')
    command.chmod(0o755)
    assert checkout.make("lab-dns").stdout == "lab run dns\n"
    assert checkout.make("lab-rst", "SEED=7", "ARGS=--json").stdout == "lab run rst --seed 7 --json\n"
    done = checkout.make("lab-handshake", "BACKEND=docker", "SEED=7")
    assert done.stdout == "lab run handshake --seed 7 --backend docker\n"


def test_a_lab_that_fails_fails_make(checkout: Checkout) -> None:
    """The status of a lab is not lost on the way."""
    checkout.add("python3", WHOLE.replace("VERSION", "3.12"))
    checkout.make(".venv/.compiled")
    command = checkout.directory / ".venv" / "bin" / "netlab"
    command.write_text("#!/bin/sh\nexit 1\n")
    command.chmod(0o755)
    assert checkout.make("lab-dns").returncode == 2


@pytest.mark.parametrize("arguments", [[], ["help"]])
def test_help_lists_each_target(checkout: Checkout, arguments: list[str]) -> None:
    """Plain make is make help, needs no Python, and names every target that a person may ask for."""
    done = checkout.make(*arguments)
    listed = set(re.findall(r"^  ([a-z-]+) ", done.stdout, re.MULTILINE))
    declared = re.findall(r"^([a-z][a-z-]*):", (checkout.directory / "Makefile").read_text(), re.MULTILINE)
    assert done.returncode == 0
    assert listed == set(declared) - {"moved"}
    assert {"help", "lab-dns", "lab-handshake", "lab-rst", "test", "check", "bench", "clean"} <= listed
