"""`netlab image build` on a real engine: what it makes, when it is made anew, and what is left when it fails.

Each test has a copy of the package with a version of its own, and so an image of its own; a label that the
copy's Dockerfile gives tells whatever is made on the way.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest

from netlab.backends.docker import image
from tests.system.harness import NETLAB, ROOT, soon, wait_for

if TYPE_CHECKING:
    from netlab.backends.docker.engine import Engine

SECONDS = 100
# Prints the digest if the engine's image is of the sources that this is run with, else the sentence.
_CHECK = """
from netlab.backends.docker import image
from netlab.backends.docker.engine import connect
from netlab.errors import MachineError
engine = connect()
try:
    image.check(engine.image(image.tag()))
    print(image.digest())
except MachineError as error:
    print(error)
engine.close()
"""


@dataclass(frozen=True)
class Copy:
    """A copy of netlab under `directory`; all that is made of it bears `label`."""

    directory: Path
    label: str
    engine: Engine

    @property
    def tag(self) -> str:
        """The name of the image of the copy's sources, as they are now."""
        program = "from netlab.backends.docker import image; print(image.tag())"
        argv = [NETLAB[0], "-c", program]
        done = subprocess.run(argv, capture_output=True, timeout=SECONDS, check=True, **self.how)
        return done.stdout.strip()

    @property
    def dockerfile(self) -> Path:
        """The copy's Dockerfile."""
        return self.directory / "netlab" / "backends" / "docker" / "Dockerfile"

    @property
    def how(self) -> dict[str, Any]:
        """How a command of the copy is started."""
        environment = os.environ | {"PYTHONPATH": str(self.directory)}
        return {"cwd": self.directory, "env": environment, "text": True, "stdin": subprocess.DEVNULL}

    def build(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `netlab image build`."""
        argv = [*NETLAB, "image", "build", *arguments]
        return subprocess.run(argv, capture_output=True, timeout=SECONDS, check=False, **self.how)

    def check(self) -> str:
        """Return the digest of the sources if the image is made of them, else what is said."""
        argv = [NETLAB[0], "-c", _CHECK]
        done = subprocess.run(argv, capture_output=True, timeout=SECONDS, check=True, **self.how)
        return done.stdout.strip()

    def made(self) -> list[str]:
        """Return the ids of all images and containers that bear the label."""
        wanted = {"label": [self.label]}
        found = self.engine.api.images(all=True, filters=wanted)
        found += self.engine.api.containers(all=True, filters=wanted)
        return [each["Id"] for each in found]


@pytest.fixture
def copy(tmp_path: Path, answering: Engine) -> Iterator[Copy]:
    """Copy the package, give it a version and a label; its image is removed in the end."""
    word = uuid.uuid4().hex[:12]
    ignored = shutil.ignore_patterns("__pycache__", "shipped")
    shutil.copytree(ROOT / "netlab", tmp_path / "netlab", ignore=ignored)
    named = tmp_path / "netlab_l4-0.dist-info" / "METADATA"
    named.parent.mkdir()
    named.write_text(f"Metadata-Version: 2.1\nName: netlab-l4\nVersion: 0+{word}\n")
    made = Copy(tmp_path, f"netlab.test={word}", answering)
    text = made.dockerfile.read_text()
    made.dockerfile.write_text(text.replace("\nUSER 0\n", f"\nLABEL {made.label}\nUSER 0\n", 1))
    assert made.label in made.dockerfile.read_text()
    yield made
    for found in answering.api.images(filters={"label": [made.label]}):
        with contextlib.suppress(docker.errors.APIError):
            answering.api.remove_image(found["Id"], force=True)


def test_the_image_runs_what_a_lab_runs(copy: Copy, base: str) -> None:
    """A base that has all needs no network; Python in the image finds netlab, compiled, and Scapy.

    An empty word in PYTHONPATH would let a lab's files stand in for modules: there is none.
    """
    done = copy.build("--base", base, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["image"], said["base"]) == (copy.tag, base)
    assert said["sources"] == copy.check()
    assert "FROM" in done.stderr
    program = (
        "import netlab.backends.inside.supervisor as netlab, scapy.all, pathlib, os; "
        "print(netlab.__file__, pathlib.Path(netlab.__cached__).exists(), os.environ['PYTHONPATH'])"
    )
    file, compiled, path = run_once(copy, ["python3", "-c", program]).split()
    assert (file, compiled) == ("/opt/netlab/netlab/backends/inside/supervisor.py", "True")
    words = path.split(":")
    assert words[:2] == ["/opt/netlab", "/opt/netlab/lib"]
    assert all(words)


def run_once(copy: Copy, argv: list[str]) -> str:
    """Run a command in a container of the image, without a network; return its output."""
    api = copy.engine.api
    container = api.create_container(copy.tag, argv, host_config=api.create_host_config(network_mode="none"))
    try:
        api.start(container)
        status = api.wait(container, timeout=SECONDS)["StatusCode"]
        output = api.logs(container).decode()
    finally:
        api.remove_container(container, force=True)
    assert status == 0, output
    return str(output)


def test_the_engine_of_the_tests_has_the_image_of_these_sources(engine: Engine) -> None:
    """What other tests rely on."""
    image.check(engine.image(image.tag()))


def test_changed_sources_want_a_new_image(copy: Copy, base: str) -> None:
    """It has a name of its own, so the old one stays, for other checkouts; unchanged sources make nothing."""
    assert "netlab image build" in copy.check()
    first = json.loads(copy.build("--base", base, "--json").stdout)
    again = json.loads(copy.build("--base", base, "--json").stdout)
    assert again == first
    with (copy.directory / "netlab" / "wiring.py").open("a") as source:
        source.write("# changed\n")
    assert copy.check() == f"the container engine has no image {copy.tag} — make it: netlab image build"
    second = json.loads(copy.build("--base", base, "--json").stdout)
    assert second["sources"] == copy.check() != first["sources"]
    assert copy.engine.image(second["id"]) is not None
    assert copy.engine.image(first["id"]) is not None


def test_a_base_that_is_missing_is_not_fetched(copy: Copy) -> None:
    """Nobody asked for a registry: the sentence says what to do."""
    done = copy.build("--base", "netlab-test/none-of-that-name")
    assert done.returncode == 3
    assert done.stderr == (
        "netlab: the container engine has no image netlab-test/none-of-that-name — "
        "fetch it, netlab image build --pull, or choose one that is there with --base IMAGE\n"
    )


@pytest.mark.parametrize("argument", ["", " "])
def test_a_base_without_a_name(copy: Copy, argument: str) -> None:
    """It is a mistake in the command line."""
    done = copy.build("--base", argument)
    assert (done.returncode, done.stderr) == (
        2,
        "the base image has no name — as in --base python:3.12-slim-bookworm\n",
    )


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("netlab-test/tiny", "the base lacks python3 bind9-dnsutils"),
        ("netlab-test/bare", "/bin/sh"),
    ],
)
def test_a_base_that_cannot_serve(copy: Copy, name: str, cause: str) -> None:
    """The failed step's own words are shown, with a hint, and nothing of the attempt is left."""
    if copy.engine.image(name) is None:
        pytest.skip(f"the engine has no image {name}")
    done = copy.build("--base", name)
    assert done.returncode == 3
    assert "a step of its Dockerfile failed" in done.stderr
    assert "--base" in done.stderr
    assert cause in done.stderr
    assert "Removing intermediate container" not in done.stderr
    assert not copy.made()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_build_that_is_broken_off_leaves_nothing(copy: Copy, base: str, number: signal.Signals) -> None:
    """The engine gives up at once, and what it had made by then goes."""
    text = copy.dockerfile.read_text()
    copy.dockerfile.write_text(text.replace("\nARG SOURCES", "\nRUN sleep 86400\nARG SOURCES"))
    argv = [*NETLAB, "image", "build", "--base", base]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, process_group=0, **copy.how) as process:
        assert process.stderr is not None
        assert any("sleep 86400" in line for line in process.stderr)
        assert wait_for(lambda: copy.engine.api.containers(filters={"label": [copy.label]}))
        process.send_signal(number)
        assert process.wait(SECONDS) == 128 + number
    assert soon(lambda: not copy.made(), 5), copy.made()
