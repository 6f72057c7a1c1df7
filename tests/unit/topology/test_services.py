"""Services that are more than zones and a directory: engines, resolvers, exec."""

from __future__ import annotations

from pathlib import Path

from netlab.topology import parse
from netlab.topology.engines import ABILITIES, asked_of, inability, unfit
from netlab.topology.given import Config, PortOpen, Startup
from netlab.topology.model import DnsService, ExecService, HttpService, Record, Service, Zone
from netlab.topology.vocabulary import ENGINES


def services(words: str, directory: Path = Path("/nowhere"), more: str = "") -> tuple[Service, ...]:
    """Return the services of a node with these words, beside a node `b`."""
    text = f"nodes:\n  a: {{services: {words}}}\n  b: {more}\n"
    return parse(text, file="lab.yaml", directory=directory).node("a").services


def test_every_engine_says_what_it_can() -> None:
    """Whatever a file may name as an engine, it is known what that can do."""
    assert set(ABILITIES) == {(kind, engine) for kind, engines in ENGINES.items() for engine in engines}


def test_what_all_of_a_kind_can_is_never_refused() -> None:
    """Zones, content and ports are every engine's."""
    for kind, engine in ABILITIES:
        for word in ("engine", "zones", "content", "port"):
            assert inability(kind, engine, word) is None


def test_an_exec_service() -> None:
    """It has what a start-up command has, a policy and a signal; by default it stays ended, after SIGTERM."""
    echo = "{run: nc -l 7, ready: {port: 7}, within: 3, restart: always, stop: sigint}"
    assert services(f"{{exec: {{echo: {echo}, x: {{run: y}}}}}}") == (
        ExecService("echo", Startup(("nc", "-l", "7"), PortOpen(7), 3), "always", "INT"),
        ExecService("x", Startup(("y",)), "never", "TERM"),
    )


def test_exec_services_come_last() -> None:
    """They may use what the others serve, wherever the file has them."""
    made = services("{exec: {x: {run: y}}, http: {content: .}}", Path(__file__).parent)
    assert [one.called for one in made] == ["http", "exec x"]


def test_false_is_no_question_of_the_engine() -> None:
    """Who says that a server does not do a thing may say so of any engine."""
    (made,) = services("{dns: {recursive: false, dnssec: no, zones: {lab.test: {www: 10.0.0.1}}}}")
    assert isinstance(made, DnsService)
    assert not asked_of(made)


def test_whom_a_server_asks() -> None:
    """A node's name, an address, or a list of both; who asks need not serve anything of its own."""
    other = "{services: {dns: {zones: {lab.test: {www: 10.0.0.1}}}}}"
    (made,) = services("{dns: {engine: dnsmasq, forward: [b, 10.0.0.99]}}", more=other)
    assert made == DnsService((), "dnsmasq", forward=("b", "10.0.0.99"))


def test_a_recursive_server_finds_the_root() -> None:
    """It begins with those nodes that serve the root zone; `root` chooses among them."""
    other = '{services: {dns: {zones: {".": {test: {NS: b.test.}, b.test.: 10.0.0.2}}}}}'
    for words in ("recursive: true", "recursive: true, root: b"):
        (made,) = services(f"{{dns: {{engine: bind9, {words}}}}}", more=other)
        assert made == DnsService((), "bind9", recursive=True, root=("b",))


def test_a_configuration_by_hand(tmp_path: Path) -> None:
    """Its text is read with the topology, from beside it."""
    (tmp_path / "my.conf").write_text("events {}\n")
    (made,) = services("{http: {engine: nginx, content: ., config: my.conf}}", tmp_path)
    assert made == HttpService(tmp_path, engine="nginx", config=Config("events {}\n", "my.conf"))


def test_the_root_zone() -> None:
    """Its names are whole with or without the final dot, and it is completed as any zone is."""
    (made,) = services('{dns: {zones: {".": {test: {NS: ns.nic.test}, ns.nic.test.: 10.0.0.1}}}}')
    assert isinstance(made, DnsService)
    (zone,) = made.zones
    assert zone.origin == "."
    assert [(one.owner, one.type, one.rdata) for one in zone.records] == [
        (".", "SOA", "a.lab.test. hostmaster.lab.test. 1 3600 600 86400 300"),
        (".", "NS", "a.lab.test."),
        ("test.", "NS", "ns.nic.test."),
        ("ns.nic.test.", "A", "10.0.0.1"),
        ("a.lab.test.", "A", "10.0.0.1"),
    ]


def test_what_dnsmasq_cannot_serve() -> None:
    """It knows no root, no delegation, no wildcard but of addresses, and no record of any length."""
    bodies = {
        '{".": {www: 10.0.0.1}}': "the root zone",
        "{lab.test: {sub: {NS: ns.elsewhere.test.}}}": "a delegation",
        '{lab.test: {"*.a": {TXT: any}}}': "a wildcard other than addresses",
        f"{{lab.test: {{www: {{TXT: {'x' * 400}}}}}}}": "so long a record",
        '{lab.test: {"*.a": 10.0.0.1, "@": {MX: 10 mail}}}': "",
    }
    for body, why in bodies.items():
        (made,) = services(f"{{dns: {{engine: bind9, zones: {body}}}}}")
        assert isinstance(made, DnsService)
        found = unfit(DnsService(made.zones, "dnsmasq"))
        assert (
            found[0].startswith(f"dnsmasq cannot serve {why}") if found and why else found is None and not why
        )


def test_the_ttls_of_zone_files() -> None:
    """Dnsmasq has one for all records; those that say none, as what netlab completes, take it over."""
    completed, one, other = (Record("a.lab.test.", "A", "192.0.2.1", ttl) for ttl in (None, 60, 300))
    assert unfit(DnsService((Zone("lab.test", (completed, one)),), "dnsmasq")) is None
    found = unfit(DnsService((Zone("lab.test", (completed, one, other)),), "dnsmasq"))
    assert found is not None
    assert found[0] == "dnsmasq cannot serve records of several TTLs (60, 300): it has one for all"
    assert unfit(DnsService((Zone("lab.test", (one, other)),), "bind9")) is None


def test_a_subtree_with_another_name_is_binds_alone() -> None:
    """Another engine for one run says so, too: a zone file was read for the one that the topology names."""
    zone = Zone("lab.test", (Record("a.lab.test.", "DNAME", "b.lab.test."),))
    assert [unfit(DnsService((zone,), engine)) is None for engine in ENGINES["dns"]] == [False, True, False]
