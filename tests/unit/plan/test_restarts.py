"""Which services a change starts again, in words, and what of a change touches none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlab.plan import make_plan
from netlab.plan.changes import Comparison, compare
from netlab.topology import parse

LAB = """
nodes:
  ns: {address: 10.0.0.53, services: {dns: {zones: {lab.test: {www: 192.0.2.1}}}}}
  near: {address: 10.0.0.54, services: {dns: {engine: bind9, forward: ns}}}
  signing:
    address: 10.0.0.55
    services: {dns: {engine: bind9, dnssec: true, zones: {s.test: {www: 192.0.2.1}}}}
  web:
    address: 10.0.0.80
    services:
      http: {engine: nginx, content: ., config: one.conf}
      exec: {echo: {run: nc -l 7}, other: {run: sleep 60, ready: {port: 8}}}
"""


def compared(directory: Path, *changes: tuple[str, str], text: str = LAB) -> Comparison:
    """Compare the lab with what becomes of it when its text is changed."""
    (directory / "one.conf").write_text("# 1\n")
    (directory / "two.conf").write_text("# 2\n")
    new = text
    for before, after in changes:
        assert before in new
        new = new.replace(before, after)
    plans = [make_plan(parse(one, file="lab.yaml", directory=directory)) for one in (text, new)]
    return compare(plans[0], plans[1])


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("engine: nginx, ", "engine: caddy, ", "web: service http restarted (engine nginx → caddy)"),
        ("one.conf", "two.conf", "web: service http restarted (config one.conf → two.conf)"),
        ("forward: ns", "forward: 192.0.2.9", "near: service dns restarted (forward 10.0.0.53 → 192.0.2.9)"),
        ("nc -l 7", "nc -l 9", "web: service exec echo restarted (run nc -l 7 → nc -l 9)"),
        (
            "port: 8",
            "port: 9",
            "web: service exec other restarted (ready tcp port 8 is open → tcp port 9 is open)",
        ),
        (
            "echo: {run: nc -l 7",
            "talk: {run: nc -l 7",
            "web: service exec echo removed, web: service exec talk added",
        ),
        ("nc -l 7", "nc -l 7, stop: INT", "web: service exec echo restarted (stop TERM → INT)"),
        (
            "{s.test: {www: 192.0.2.1",
            "{s.test: {www: 192.0.2.2",
            "signing: service dns restarted (zone s.test changed)",
        ),
    ],
)
def test_what_differs_is_told(tmp_path: Path, before: str, after: str, told: str) -> None:
    """Each in the words of the file."""
    made = compared(tmp_path, (before, after))
    assert ", ".join(str(one) for one in made.changes if one.aspect == "service") == told
    assert made.refusals == ()


def test_a_configuration_with_another_text(tmp_path: Path) -> None:
    """Its name stays, and yet it is another one."""
    old = make_plan(parse(LAB, file="lab.yaml", directory=_files(tmp_path)))
    (tmp_path / "one.conf").write_text("# other\n")
    new = make_plan(parse(LAB, file="lab.yaml", directory=tmp_path))
    assert list(map(str, compare(old, new).changes)) == ["web: service http restarted (config changed)"]


def _files(directory: Path) -> Path:
    (directory / "one.conf").write_text("# 1\n")
    return directory


def test_who_listens_on_addresses(tmp_path: Path) -> None:
    """BIND does, and starts again where its node's are others; nobody else does."""
    made = compared(
        tmp_path,
        ("10.0.0.54", "10.0.0.77"),
        ("10.0.0.80", "10.0.0.88"),
    )
    told = [str(one) for one in made.changes if one.aspect == "service"]
    assert told == ["near: service dns restarted (its node's addresses changed)"]


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        ("dnssec: true, ", "", "who signs the zone s.test signing → none"),
        ("{s.test: {www", "{t.test: {www", "who signs the zone s.test signing → none"),
        ("engine: nginx, ", "engine: caddy, https: true, ", "authorities that nodes believe none → https"),
    ],
)
def test_what_takes_a_new_start(tmp_path: Path, before: str, after: str, refused: str) -> None:
    """Keys and authorities are made as a lab starts."""
    assert compared(tmp_path, (before, after)).refusals[0] == refused
