"""Every command that README shows runs, and does what README says."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system import engines

BIN = Path(sys.executable).parent
SECONDS = 60


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def scratch(tmp_path: Path, root: Path) -> Path:
    """Give a copy of what a reader has at hand, so that runs/ and labs that run are the test's own."""
    for name in ("labs", "topologies"):
        shutil.copytree(root / name, tmp_path / name)
    return tmp_path


def run(line: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run one line of README as a shell would, without its comment."""
    words = shlex.split(line, comments=True)
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    return subprocess.run(
        words, cwd=directory, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def test_the_commands_run_in_order(root: Path, scratch: Path) -> None:
    """Each line of the shell block succeeds, in the order in which a reader would type them."""
    block, *_ = blocks((root / "README.md").read_text(), "sh")
    lines = [line for line in block.splitlines() if line.strip()]
    assert len(lines) >= 9
    _run_all(lines, scratch)


def test_the_shown_change_is_made(root: Path, scratch: Path) -> None:
    """So do those that change a lab, with the file that is shown; and back again."""
    text = (root / "README.md").read_text()
    (changed,) = [block for block in blocks(text, "yaml") if "# changed.yaml" in block]
    (scratch / "changed.yaml").write_text(changed)
    (block,) = [one for one in blocks(text, "sh") if "netlab apply" in one]
    told = _run_all(block.splitlines(), scratch)
    assert told[1].splitlines() == told[2].splitlines() != []
    assert told[3].startswith("Hello")
    assert len(told[4].splitlines()) == len(told[2].splitlines())


def _run_all(lines: list[str], directory: Path) -> list[str]:
    """Run lines in order, with a lab of their own; return what they print."""
    name = f"readme-{os.getpid()}"
    told = []
    for line in lines:
        done = run(_named(line, name), directory)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        told.append(done.stdout)
    return told


def test_the_commands_of_containers_run(root: Path, scratch: Path, base: str) -> None:
    """So does each line of the block on containers, with a base that need not be fetched."""
    *_, block = blocks((root / "README.md").read_text(), "sh")
    lines = block.splitlines()
    assert len(lines) == 4
    for line in lines:
        typed = line.replace("--pull", f"--base {base}")
        typed = typed.replace("make ", f"make -C {root} ").replace("runs/", f"{scratch}/runs/")
        done = run(typed, scratch)
        assert done.returncode == 0, (line, done.stdout, done.stderr)


def test_the_commands_of_servers_run(root: Path, scratch: Path) -> None:
    """So does each line that wants the machine's own servers."""
    engines.need("bind9", "nginx")
    (block,) = [one for one in blocks((root / "README.md").read_text(), "sh") if "--engine" in one]
    for line in block.splitlines():
        done = run(line, scratch)
        assert done.returncode == 0, (line, done.stdout, done.stderr)


def test_the_commands_of_a_wire_run(root: Path, scratch: Path) -> None:
    """The page comes over the wire that misbehaves, and the trace tells what it did, twice the same."""
    (block,) = [one for one in blocks((root / "README.md").read_text(), "sh") if "lossy" in one]
    page, told, _, compared = _run_all(block.splitlines(), scratch)
    assert page.startswith("Hello")
    assert "dropped by wire" in told
    assert "held 20 ms by wire" in told
    assert compared.startswith("the same ")


def _named(line: str, name: str) -> str:
    """Give a line's lab a name of its own: tests run side by side."""
    line = line.replace("up topologies/web.yaml", f"up topologies/web.yaml --name {name}")
    line = re.sub(r"^netlab apply (\S+)", rf"netlab apply \1 --name {name}", line)
    line = re.sub(r"^netlab (exec|capture|logs) (\w+)", rf"netlab \1 --lab {name} \2", line)
    return re.sub(r"^netlab down$", f"netlab down {name}", line)


def test_the_shown_mistake_is_told_as_shown(root: Path, scratch: Path) -> None:
    """The console block's file has the mistake, and the message is the very one."""
    (block,) = blocks((root / "README.md").read_text(), "console")
    command, _, shown = block.removeprefix("$ ").partition("\n")
    (scratch / "mine.yaml").write_text("# mine\n\nnodes:\n  client:\n    adress: 10.0.0.10\n")
    done = run(command, scratch)
    assert done.returncode == 2
    assert done.stderr.strip() == shown.strip()


def test_the_shown_files_are_good(root: Path, scratch: Path) -> None:
    """The smallest file is a topology, and so is the one that says all: its nodes reach each other."""
    small, whole, *others = blocks((root / "README.md").read_text(), "yaml")
    assert len(small.splitlines()) <= 10
    for other in others:
        (scratch / "other.yaml").write_text(other)
        assert run("netlab check other.yaml", scratch).returncode == 0, other
    (scratch / "small.yaml").write_text(small)
    assert run("netlab check small.yaml", scratch).returncode == 0
    assert run("netlab run small.yaml a -- ping -c 1 b", scratch).returncode == 0
    (scratch / "whole.yaml").write_text(whole)
    done = run("netlab run whole.yaml ns -- curl -sf http://www.lab.test/small.yaml", scratch)
    assert done.stdout == small, done.stderr


def test_the_shown_script_runs(root: Path, scratch: Path) -> None:
    """The script that README shows fetches the page, and tells of each segment."""
    (block,) = blocks((root / "README.md").read_text(), "python")
    (scratch / "shown.py").write_text(block)
    done = run("netlab run topologies/web.yaml client -- shown.py", scratch)
    assert done.returncode == 0, done.stderr
    assert "HTTP/1.1 200 OK" in done.stdout
    assert done.stdout.count("IP / TCP 10.0.0.10:") >= 3


def test_the_shown_answer_is_the_labs_last_word(root: Path, scratch: Path) -> None:
    """What README shows of make lab-dns is what the lab prints."""
    shown = blocks((root / "README.md").read_text(), "text")[0].strip()
    done = run("netlab lab run dns", scratch)
    assert done.returncode == 0
    assert shown in done.stdout


def test_every_verb_and_link_is_there(root: Path) -> None:
    """README names every verb of the command line, and its links lead to files."""
    text = (root / "README.md").read_text()
    from netlab.cli.app import VERBS

    for verb in VERBS:
        assert re.search(rf"netlab {verb}\b", text), verb
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (root / target).exists(), target
    for target in re.findall(r"\bmake ([a-z][a-z-]+)", text):
        assert re.search(rf"^{target}:", (root / "Makefile").read_text(), re.MULTILINE), target
