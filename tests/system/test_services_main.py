"""`python -m netlab.services`: a node's services in the foreground, here in a node of a lab that has none."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlab import topology
from netlab.lab import Lab, start
from netlab.plan import make_plan
from tests.system.harness import requires, wait_for

BARE = "name: bare\nnodes: {client: {address: 10.0.0.10}, host: {address: 10.0.0.53}}\n"
BOTH = """
name: both
nodes:
  idle: {address: 10.0.0.10}
  host:
    address: 10.0.0.53
    services: {dns: {zones: {lab.test: {www: 10.0.0.53}}}, http: {content: www}}
"""
SECONDS = 30


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Run a lab without services; another topology lies in the directory."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "index.html").write_text("here\n")
    (tmp_path / "both.yaml").write_text(BOTH)
    plan = make_plan(topology.parse(BARE, file="bare.yaml", directory=tmp_path))
    with start(plan, visible=(tmp_path,)) as running:
        yield running


def command(*arguments: object) -> list[str]:
    """Return a command line of it."""
    return [sys.executable, "-m", "netlab.services", *map(str, arguments)]


@requires("curl", "dig")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end(lab: Lab, tmp_path: Path, number: int) -> None:
    """Both services of the node answer, each request is in the log at once, and the end is a good one."""
    log = tmp_path / "log"
    with log.open("wb") as output, Path(os.devnull).open("rb") as nothing:
        stdio = (nothing.fileno(), output.fileno(), output.fileno())
        serving = lab.launch("host", command(tmp_path / "both.yaml", "host"), stdio=stdio)
    try:
        assert wait_for(lambda: log.read_text().count(" serves\n") == 2), log.read_text()
        asked = lab.output("client", ["dig", "+short", "@10.0.0.53", "www.lab.test"])
        assert asked.stdout == "10.0.0.53\n"
        assert lab.output("client", ["curl", "-sS", "http://10.0.0.53/"]).stdout == "here\n"
        assert '10.0.0.10 "GET /" 200' in log.read_text()
        assert "www.lab.test. NOERROR" in log.read_text()
        serving.signal(number)
        assert serving.wait(SECONDS) == 0
        assert "Traceback" not in log.read_text()
    finally:
        serving.close()


def test_what_cannot_be_served_is_a_sentence(lab: Lab, tmp_path: Path) -> None:
    """Each mistake has its status and one sentence; a port that is taken, too, and then nothing is served."""
    file = tmp_path / "both.yaml"
    for arguments, status, words in (
        ((file,), 2, "which node? — python3 -m netlab.services TOPOLOGY NODE"),
        ((file, "none"), 2, "has no node 'none' — it has idle, host"),
        ((file, "idle"), 2, "the node 'idle' of "),
        ((tmp_path / "none.yaml", "host"), 2, "none.yaml:1:1: no such file"),
    ):
        done = lab.output("host", command(*arguments))
        assert (done.returncode, done.stdout) == (status, "")
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
    taken = "import socket, subprocess, sys; s = socket.create_server(('0.0.0.0', 80)); "
    taken += f"sys.exit(subprocess.run({command(file, 'host')!r}).returncode)"
    done = lab.output("host", [sys.executable, "-c", taken])
    assert done.returncode == 3
    assert "TCP port 80 of 0.0.0.0 is taken" in done.stderr
    assert "Traceback" not in done.stderr
