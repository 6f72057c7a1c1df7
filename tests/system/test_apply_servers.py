"""Live changes of servers that are programs, and of exec services: the same steps as for the builtin ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from netlab.errors import MachineError, ServiceError, UsageError
from netlab.lab import Lab
from tests.system import engines
from tests.system.applied import out, plan, started
from tests.system.harness import ROOT, requires

pytestmark = requires("dig", "curl")
HELLO = (ROOT / "topologies" / "www" / "hello.txt").read_text()
LAB = """
name: servers
nodes:
  client: {address: 10.0.0.10}
  ns:
    address: NS
    services: {dns: {ENGINE, zones: {lab.test: {www: 10.0.0.80, new: 192.0.2.NEW}}}}
  web: {address: 10.0.0.80, services: {http: {HTTP, content: www}, exec: {talk: EXEC}}}
"""
TALK = "{run: [sh, -c, 'trap \"echo bye; exit\" INT; echo WORD; while :; do sleep 0.05; done'], "
TALK += "ready: {log: WORD}, stop: INT, restart: always}"


def text(dns: str = "builtin", http: str = "builtin", word: str = "one", ns: str = "10.0.0.53") -> str:
    """Return the lab with these servers."""
    made = LAB.replace("ENGINE", f"engine: {dns}").replace("HTTP", f"engine: {http}").replace("NEW", ns[-1])
    return made.replace("EXEC", TALK.replace("WORD", word)).replace("NS", ns)


def serves(running: Lab, ns: str) -> None:
    """Names and pages come from the lab's servers."""
    assert out(running, "client", "dig +short new.lab.test") == f"192.0.2.{ns[-1]}\n"
    assert out(running, "client", "curl -sS http://www.lab.test/hello.txt") == HELLO


def changes(running: Lab, new: str) -> list[str]:
    """Apply a topology; return what was told, without what follows in the files of nodes."""
    return [str(one) for one in running.apply(plan(new)) if one.aspect != "file"]


def test_servers_take_each_others_place(tmp_path: Path) -> None:
    """Engines, zones, addresses and commands change; a server that refuses leaves all as it was."""
    engines.need("bind9", "nginx", "dnsmasq", "caddy")
    with started(text(), tmp_path / "out") as running:
        serves(running, "3")
        told = changes(running, text("bind9", "nginx", "two"))
        assert told[:2] == [
            "ns: service dns restarted (engine builtin → bind9)",
            "web: service http restarted (engine builtin → nginx)",
        ]
        assert told[2].startswith("web: service exec talk restarted (run sh -c "), told
        serves(running, "3")
        log = tmp_path / "out" / "logs" / "web.talk.log"
        assert log.read_text() == "one\nbye\ntwo\n"
        # named listens on each address: it is another one from here on, and back.
        assert changes(running, text("bind9", "nginx", "two", "10.0.0.54"))[0].startswith("ns: address")
        serves(running, "4")
        own = tmp_path / "own.conf"
        own.write_text("junk;")
        broken = text("bind9", f"nginx, config: {own}", "three", "10.0.0.54")
        for _ in range(2):  # what is in a log from before does not count
            with pytest.raises(ServiceError, match=r"http.*\(nothing was changed\)") as caught:
                running.apply(plan(broken))
            assert 'unknown directive "junk"' in str(caught.value)
            serves(running, "4")
        assert changes(running, text("dnsmasq", "caddy", "two")) != []
        serves(running, "3")
        served = json.loads((tmp_path / "out" / "services.json").read_text())
        assert served["ns"]["dns"] == running.info["nodes"]["ns"]["engines"]["dns"]
        assert (served["ns"]["dns"]["engine"], served["web"]["http"]["engine"]) == ("dnsmasq", "caddy")
        assert log.read_text().endswith("two\n")
        running.finish()


def test_a_server_that_is_not_there() -> None:
    """It is told before anything is touched."""
    hidden = ("address: 10.0.0.53", "address: 10.0.0.53\n    environment: {PATH: /nowhere}")
    with started(text().replace(*hidden)) as running:
        before = running.info
        with pytest.raises(MachineError, match="to serve dns with bind9, and this machine has no named"):
            running.apply(plan(text("bind9").replace(*hidden)))
        assert running.info == before
        serves(running, "3")


SIGNED = """
name: signed
resolver: cache
nodes:
  client:
  cache: {address: 10.0.0.53, services: {dns: {engine: bind9, recursive: true}}}
  root:
    address: 10.0.0.60
    services: {dns: {engine: bind9, dnssec: true, zones: {".": {
      "@": {NS: a.test.}, a.test.: 10.0.0.60, test: {NS: ns.test.}, ns.test.: 10.0.0.61}}}}
  ns:
    address: 10.0.0.61
    services: {dns: {engine: bind9, SIGN, zones: {test: {"@": {NS: ns}, ns: 10.0.0.61, RECORDS}}}}
  web: {address: 10.0.0.80, services: {http: {engine: caddy, content: www, HTTPS}}}
"""


def signed(records: str, *, sign: str = "true", https: str = "true", port: int = 80) -> str:
    """Return the lab with these records in its signed zone."""
    made = SIGNED.replace("SIGN", f"dnssec: {sign}").replace("RECORDS", records)
    return made.replace("HTTPS", f"https: {https}, port: {port}")


def test_what_is_signed_and_believed_stays_so() -> None:
    """Zones are signed again with their own keys, pages served under their new names; the rest is refused."""
    engines.need("bind9", "caddy")
    before = signed("one: 192.0.2.1")
    with started(before) as running:
        after = signed("two: 192.0.2.2, www: 10.0.0.80", port=81)
        told = changes(running, after)
        assert [one.partition(" (")[0] for one in told] == [
            "ns: service dns restarted",
            "web: service http restarted",
        ]
        answer = out(running, "client", "dig +dnssec two.test")
        assert "192.0.2.2" in answer
        assert re.search(r"flags: [a-z ]*\bad\b", answer), answer
        for page in ("https://www.test", "https://web", "http://www.test:81"):
            assert out(running, "client", f"curl -sS {page}/hello.txt") == HELLO
        with pytest.raises(UsageError, match="who signs the zone test ns → none"):
            running.apply(plan(signed("two: 192.0.2.2", sign="false", port=81)))
        with pytest.raises(UsageError, match="authorities that nodes believe https → none"):
            running.apply(plan(signed("two: 192.0.2.2, www: 10.0.0.80", https="false", port=81)))
        assert not running.apply(plan(after))
