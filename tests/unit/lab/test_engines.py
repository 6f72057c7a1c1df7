"""A program that is missing: one sentence with the package of this distribution, before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlab.errors import MachineError
from netlab.kernel import programs
from netlab.lab import engines
from netlab.plan import make_plan
from netlab.plan.model import Plan
from netlab.topology import load, parse


@pytest.mark.parametrize(
    ("chosen", "kin", "said"),
    [
        (
            {"dns": "bind9"},
            "debian",
            "dns with bind9, and this machine has no named — sudo apt install bind9,",
        ),
        ({"dns": "bind9"}, "", "install the package bind,"),
        ({"dns": "dnsmasq"}, "alpine", "sudo apk add dnsmasq,"),
        ({"http": "nginx"}, "fedora", "this machine has no nginx — sudo dnf install nginx,"),
        ({"http": "caddy"}, "debian", "pip install 'netlab-l4[caddy]',"),
    ],
)
def test_the_package_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str], kin: str, said: str
) -> None:
    """What would bring it depends on the distribution; the exit status is the machine's."""
    monkeypatch.setattr(programs, "find", lambda _: None)
    monkeypatch.setattr(programs, "family", lambda: kin)
    with pytest.raises(MachineError) as caught:
        engines.require(make_plan(load(root / "topologies" / "web.yaml"), engines=chosen))
    assert said in str(caught.value)
    assert caught.value.exit_status == 3


def test_what_signs_is_looked_for_where_something_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is there, and its tools are not."""
    monkeypatch.setattr(programs, "find", lambda name: "/usr/sbin/named" if name == "named" else None)
    monkeypatch.setattr(programs, "family", lambda: "debian")
    text = "nodes:\n  a: {services: {dns: {engine: bind9, %s zones: {lab.test: {www: 10.0.0.1}}}}}\n  b:\n"

    def plan(words: str) -> Plan:
        return make_plan(parse(text % words, file="lab.yaml", directory=Path("/nowhere")))

    engines.require(plan(""))
    with pytest.raises(MachineError, match="no dnssec-signzone — sudo apt install bind9-utils,"):
        engines.require(plan("dnssec: true,"))


def test_builtin_engines_need_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked for."""
    monkeypatch.setattr(programs, "find", lambda _: None)
    engines.require(make_plan(load(root / "topologies" / "web.yaml")))
