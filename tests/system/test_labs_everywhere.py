"""The shipped labs on builtin and on real servers, in namespaces and in containers: the same is found out."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from netlab import topology
from netlab.lab.catalogue import Exercise, exercises
from tests.system import commandline, containers, engines
from tests.system.commandline import Desk
from tests.system.engines import BIND_NGINX, DNSMASQ_CADDY, Ground
from tests.system.shipped import Runs

if TYPE_CHECKING:
    from netlab.backends.docker.engine import Engine

LABS = {exercise.name: exercise for exercise in exercises()}
# Builtin and real servers in either backend; all pairs in each would take CI a minute more.
GROUNDS = (
    Ground("netns", DNSMASQ_CADDY),
    Ground("docker"),
    Ground("docker", BIND_NGINX),
    Ground("podman"),
)
# What Podman does otherwise than Docker shows in two labs.
TRIED = [
    pytest.param(on, name, id=f"{engines.called(on)}-{name}")
    for on in GROUNDS
    for name in LABS
    if on.host != "podman" or name in ("dns", "handshake")
]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a desk of the test's own."""
    with commandline.desk(tmp_path) as made:
        yield made


def run(place: Desk, exercise: Exercise, ground: Ground, out: Path) -> list[str]:
    """Run a lab and its proof; return what it found out."""
    if ground.backend == "docker" and ground.engines:
        said = _run_on_images(place, exercise, ground, out)
    else:
        options = ground.options(topology.load(exercise.topology))
        said = _said(place, "", "lab", "run", exercise.name, *options, "--out", out)
    return _told(said)


def _told(said: str) -> list[str]:
    """Return what a lab found out, without what no seed decides.

    That is a kernel's numbers and times, and what /etc/services calls a port.
    """
    told = re.findall(r"^ ?\d\. (?:yes|NO)|\S+ A \S+|SHA-256 \w+", said, re.MULTILINE)
    assert told
    return told


def _run_on_images(place: Desk, exercise: Exercise, ground: Ground, out: Path) -> str:
    """Do what `netlab lab run` does, of a variation whose nodes have an image with these servers."""
    assert exercise.proof is not None
    asked = topology.load(exercise.topology)
    file = ground.file(asked, place.directory)
    script = (exercise.script, *exercise.arguments)
    where = f"recorded in {out}/\n"
    said = _said(
        place, where, "run", file, exercise.node, *ground.options(asked), "--out", out, "--", *script
    )
    proved = place.run([sys.executable, str(exercise.proof), str(out)])
    assert proved.returncode == 0, proved.stdout + proved.stderr
    return said + proved.stdout


def _said(place: Desk, beside: str, *words: object) -> str:
    done = place.netlab(*words)
    assert (done.returncode, done.stderr) == (0, beside), done.stdout
    return done.stdout


@pytest.mark.parametrize(("ground", "name"), TRIED, indirect=["ground"])
def test_a_lab_finds_out_the_same(desk: Desk, runs: Runs, ground: Ground, name: str) -> None:
    """Its proof holds, with the verdicts and the data that it has on builtin servers in namespaces.

    Real servers have other packets; with the builtin ones each direction of each flow is packet for packet
    that of the namespaces.
    """
    out = desk.directory / "here"
    done, record = runs[name]
    assert run(desk, LABS[name], ground, out) == _told(done.stdout)
    if not ground.engines:
        done = desk.netlab("trace", "diff", record, out)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
    whole = [out / name for name in ("capture.pcapng", "kernel.json", "trace.txt")]
    assert all(file.stat().st_size > 0 for file in (*whole, *(out / "logs").glob("*-*.log")))


@pytest.mark.parametrize("ground", [Ground("docker")], ids=engines.called, indirect=True)
@pytest.mark.usefixtures("ground")  # or Podman's may still be the one that is reached
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
