"""The file's own captures, in a real lab: what is in them, and what becomes of files in their way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from netlab.report.dissect import dissect
from netlab.report.headers import Tcp, Udp
from netlab.report.pcapng import Capture, read_capture
from tests.system import commandline
from tests.system.commandline import Desk

FILE = """
networks: {lan: 10.0.0.0/24, far: 10.1.0.0/24}
captures:
  questions: {filter: {protocol: udp, port: 53}}
  heads: {networks: [lan], filter: {host: web, protocol: tcp}, snap: 60}
  elsewhere: {networks: [far]}
nodes:
  client: {interfaces: {lan: 10.0.0.10}}
  dns: {interfaces: {lan: }, services: {dns: {zones: {lab.test: {www: 10.0.0.80}}}}}
  web: {router: true, interfaces: {lan: 10.0.0.80, far: }, services: {http: {content: topologies/www}}}
  idle: {interfaces: {far: }}
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a desk of the test's own, with the topology."""
    with commandline.desk(tmp_path) as made:
        (tmp_path / "lab.yaml").write_text(FILE)
        yield made


def captured(desk: Desk, name: str) -> Capture:
    """Read one of the run's captures."""
    return read_capture(desk.directory / "runs" / "lab" / f"{name}.pcapng")


def test_each_has_its_packets_from_the_first_on(backend: str, desk: Desk) -> None:
    """A filter's packets are those of capture.pcapng that fit, all of them, cut where it says so."""
    run = ("run", "lab.yaml", "client", "--backend", backend, "--")
    for command in (["true"], ["curl", "-s", "http://www.lab.test/hello.txt"]):  # a second run replaces files
        done = desk.netlab(*run, *command)
        assert done.returncode == 0, done.stderr
    everything = captured(desk, "capture").frames
    packets = [(frame, dissect(frame.data).transport) for frame in everything]
    questions = [frame.data for frame, transport in packets if isinstance(transport, Udp)]
    segments = [frame for frame, transport in packets if isinstance(transport, Tcp)]
    assert len(questions) >= 2
    assert [frame.data for frame in captured(desk, "questions").frames] == questions
    assert [frame.data for frame in captured(desk, "heads").frames] == [frame.data[:60] for frame in segments]
    assert [frame.original_length for frame in captured(desk, "heads").frames] == [
        len(frame.data) for frame in segments
    ]
    assert captured(desk, "elsewhere").frames == ()


def test_a_file_of_the_users_is_not_overwritten(desk: Desk) -> None:
    """A capture's name in a directory that is no record's is in the way."""
    mine = desk.directory / "mine"
    mine.mkdir()
    (mine / "heads.pcapng").write_text("precious")
    done = desk.netlab("run", "lab.yaml", "client", "--out", "mine", "--", "true")
    assert done.returncode == 2
    assert "heads.pcapng is in the way" in done.stderr
    assert (mine / "heads.pcapng").read_text() == "precious"
