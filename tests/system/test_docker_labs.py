"""The shipped labs in containers: the same answers, the same proofs, the same traces as in namespaces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from netlab.lab.catalogue import exercises
from tests.system import commandline, containers
from tests.system.commandline import Desk

if TYPE_CHECKING:
    from netlab.backends.docker.engine import Engine

LABS = [exercise.name for exercise in exercises()]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a desk of the test's own."""
    with commandline.desk(tmp_path) as made:
        yield made


def run(place: Desk, name: str, backend: str, out: Path) -> list[str]:
    """Run a lab and return what it found out, without what no seed decides.

    That is a kernel's numbers and times, and what /etc/services calls a port.
    """
    done = place.netlab("lab", "run", name, "--backend", backend, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    told = re.findall(r"^ ?\d\. (?:yes|no)|\S+ A \S+|SHA-256 \w+", done.stdout, re.MULTILINE)
    assert told
    return told


class Namespaces:
    """The labs in namespaces, each run when it is first asked for: what it told, and where its record is."""

    def __init__(self, place: Desk) -> None:
        self.place = place
        self.told: dict[str, list[str]] = {}

    def record(self, name: str) -> Path:
        """Return where a lab's record is."""
        return self.place.directory / "runs" / name

    def tell(self, name: str) -> list[str]:
        """Return what a lab told."""
        if name not in self.told:
            self.told[name] = run(self.place, name, "netns", self.record(name))
        return self.told[name]


@pytest.fixture(scope="module")
def namespaces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespaces]:
    """Give the labs in namespaces."""
    with commandline.desk(tmp_path_factory.mktemp("namespaces")) as made:
        yield Namespaces(made)


@pytest.mark.parametrize("host", ["engine", "podman"])
@pytest.mark.parametrize("name", LABS)
def test_a_lab_in_containers(
    desk: Desk,
    namespaces: Namespaces,
    name: str,
    host: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each direction of each flow is packet for packet that of the namespaces, and the proof holds."""
    found = request.getfixturevalue(host)
    if isinstance(found, str):
        monkeypatch.setenv("DOCKER_HOST", found)
    assert run(desk, name, "docker", desk.directory / "docker") == namespaces.tell(name)
    done = desk.netlab("trace", "diff", namespaces.record(name), "docker")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    for file in ("capture.pcapng", "kernel.json", "trace.txt", "logs/web-http.log"):
        assert (desk.directory / "docker" / file).stat().st_size > 0


def test_an_image_of_ones_own(desk: Desk, engine: Engine) -> None:
    """A node's image has no Python: its commands run in it all the same, and scripts beside it."""
    containers.need_image(engine, "netlab-test/tiny")
    (desk.directory / "own.yaml").write_text(
        "backend: docker\nnodes:\n  here: {image: netlab-test/tiny}\n  there:\n"
    )
    (desk.directory / "look.py").write_text("import scapy.all; print(scapy.all.conf.iface.ip)\n")
    run = ("run", "own.yaml", "here", "--")
    assert desk.netlab(*run, "ping", "-c", "1", "there").returncode == 0
    assert desk.netlab(*run, "sh", "-c", "ls /usr/bin/python3").returncode != 0
    assert desk.netlab(*run, "look.py").stdout == "10.0.0.1\n"
