"""What each engine is given: every file, byte for byte, and the command that reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from netlab.plan import make_plan
from netlab.services import showing
from netlab.services.engines import PROGRAMS
from netlab.topology import load, parse

SPECIAL = """\
networks: {lan: {subnet: 10.0.0.0/24, subnet6: "fd00::/64"}}
resolver: none
nodes:
  forwarder: {services: {dns: {engine: bind9, forward: [ns, "fd00::99"]}}}
  masq:
    services: {dns: {engine: dnsmasq, forward: ns, zones: {x.test: {"*.w": 192.0.2.9, t: {TXT: 'a "b"'}}}}}
  ns: {services: {dns: {engine: bind9, dnssec: true, zones: {lab.test: {web: [10.0.0.4, "fd00::4"]}}}}}
  web: {services: {http: {engine: caddy, content: ., https: true, port: 8080}}}
  six: {services: {http: {engine: nginx, content: .}}}
  own: {services: {http: {engine: nginx, content: ., config: my.conf}}}
"""


@pytest.mark.parametrize(
    ("topology", "engines"),
    [
        ("web", {"dns": "bind9", "http": "nginx"}),
        ("web", {"dns": "dnsmasq", "http": "caddy"}),
        ("web", {}),
        ("dns-tree", {}),
    ],
    ids=["bind9-nginx", "dnsmasq-caddy", "builtin", "dns-tree"],
)
def test_shipped_topologies(
    root: Path, golden: Callable[[str, str], None], topology: str, engines: dict[str, str]
) -> None:
    """The same zones and the same content, in each server's own language."""
    plan = make_plan(load(root / "topologies" / f"{topology}.yaml"), engines=engines)
    name = "-".join([topology, *engines.values()])
    golden(f"engines/{name}.txt", showing.text(plan).replace(str(root), "/netlab"))


def test_all_that_servers_may_be_asked(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    """Forwarding, signing, keys to believe, HTTPS, IPv6, another port, and a configuration by hand."""
    (tmp_path / "my.conf").write_text("# mine\n")
    plan = make_plan(parse(SPECIAL, file="lab.yaml", directory=tmp_path))
    golden("engines/special.txt", showing.text(plan).replace(str(tmp_path), "/netlab"))


def test_the_same_for_a_program(root: Path) -> None:
    """Each program with its command, its files by path, and what comes to be as it starts."""
    plan = make_plan(load(root / "topologies" / "dns-tree.yaml"))
    told = {one["node"]: one for one in showing.data(plan)}
    assert told["ns"]["argv"] == ["named", "-g", "-c", "/run/netlab/services/ns-dns/named.conf"]
    assert set(told["ns"]["files"]) == {
        "/run/netlab/services/ns-dns/named.conf",
        "/run/netlab/services/ns-dns/lab.test.zone",
    }
    assert told["ns"]["made"] == [
        "/run/netlab/services/ns-dns/lab.test.zone.signed",
        "/run/netlab/services/ns-dns/keys",
    ]
    assert "web" not in told, "a builtin engine needs no file"


@pytest.mark.parametrize(
    ("key", "said", "version"),
    [
        (
            ("dns", "bind9"),
            "BIND 9.18.49-1~deb12u3-Debian (Extended Support Version) <id:>\n",
            "9.18.49-1~deb12u3-Debian",
        ),
        (("dns", "dnsmasq"), "Dnsmasq version 2.90  Copyright (c) 2000-2024 Simon Kelley\n", "2.90"),
        (("http", "nginx"), "nginx version: nginx/1.22.1\n", "1.22.1"),
        (("http", "caddy"), "v2.11.7 h1:yj0Y4fYZGPkSvibBJ1sTWE33xC0fxztVyXEW5iIdUT4=\n", "2.11.7"),
    ],
)
def test_a_version_is_found(key: tuple[str, str], said: str, version: str) -> None:
    """Each server tells its own in its own way; what it does not tell is not made up."""
    from importlib import import_module

    engine = import_module(PROGRAMS[key]).ENGINE
    assert engine.name == key[1]
    assert engine.version_in(said) == version
    assert engine.version_in("no such thing") is None


def test_dnsmasq_is_told_the_ttl_of_a_zone_file(tmp_path: Path) -> None:
    """All that it answers has it."""
    (tmp_path / "lab.zone").write_text("$TTL 60\nwww A 192.0.2.1\nmail SRV 1 2 25 www\n")
    text = "nodes: {a: {services: {dns: {engine: dnsmasq, zones: {lab.test: lab.zone}}}}, b: }\n"
    shown = showing.text(make_plan(parse(text, file="lab.yaml", directory=tmp_path)))
    assert "\nlocal-ttl=60\n" in shown
    assert "\ndns-rr=mail.lab.test,33,00010002001903777777036c6162047465737400\n" in shown
