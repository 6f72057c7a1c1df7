"""What services are told of the rest of the lab: addresses, hints, keys, names for certificates."""

from __future__ import annotations

from pathlib import Path

from netlab.plan import describe, make_plan
from netlab.plan.model import Plan
from netlab.topology import load, parse
from netlab.topology.model import DnsService, HttpService, Record


def plan(text: str) -> Plan:
    """Plan a topology."""
    return make_plan(parse(text, file="lab.yaml", directory=Path(__file__).parent))


def dns(made: Plan, node: str) -> DnsService:
    """Return a node's dns service."""
    (service,) = made.node(node).services
    assert isinstance(service, DnsService)
    return service


def test_a_server_is_asked_at_its_nearest_address() -> None:
    """Of a node with two, the address on the asker's own network; what is an address already stays."""
    made = plan("""
networks: {one: 10.1.0.0/24, two: 10.2.0.0/24}
nodes:
  a: {interfaces: {two: 10.2.0.7}, services: {dns: {engine: bind9, forward: [ns, 10.2.0.99]}}}
  ns: {interfaces: {one: 10.1.0.53, two: 10.2.0.53}, services: {dns: {zones: {lab.test: {www: 10.1.0.1}}}}}
  b: {interfaces: {one: }}
resolver: none
""")
    assert dns(made, "a").forward == ("10.2.0.53", "10.2.0.99")


def test_a_server_is_asked_where_it_can_be_reached() -> None:
    """Where IPv4 does not lead to it, at its address of IPv6."""
    made = plan("""
networks: {both: {subnet: 10.1.0.0/24, subnet6: "fd00:1::/64"}, six: {subnet: none, subnet6: "fd00:2::/64"}}
nodes:
  a: {interfaces: {both: }, services: {dns: {engine: bind9, forward: ns}}}
  r: {router: true, interfaces: {both: , six: }}
  ns: {interfaces: {six: {address6: "fd00:2::53"}}, services: {dns: {zones: {lab.test: {www: 192.0.2.1}}}}}
resolver: none
""")
    assert dns(made, "a").forward == ("fd00:2::53",)


def test_the_roots_of_the_shipped_tree(root: Path) -> None:
    """The hints are what the root says of itself, and the only keys told are its own: it vouches for all."""
    made = make_plan(load(root / "topologies" / "dns-tree.yaml"))
    cache = dns(made, "cache")
    assert cache.hints == (
        Record(".", "NS", "a.root-servers.test."),
        Record("a.root-servers.test.", "A", "10.1.0.53"),
    )
    assert cache.anchors == (".",)


def test_a_zone_that_nobody_vouches_for_is_an_anchor_itself() -> None:
    """Where the zone above is not signed, or does not delegate it, its own keys are told."""
    made = plan("""
nodes:
  cache: {services: {dns: {engine: bind9, recursive: true}}}
  root: {services: {dns: {engine: bind9, zones: {".": {test: {NS: tld.test.}, tld.test.: 10.0.0.3}}}}}
  tld:
    services:
      dns: {engine: bind9, dnssec: true, zones: {test: {lab: {NS: ns.lab}, ns.lab: 10.0.0.4}}}
  ns: {services: {dns: {engine: bind9, dnssec: true,
    zones: {lab.test: {ns: 10.0.0.4}, far.test: {a: 192.0.2.9}}}}}
""")
    assert dns(made, "cache").anchors == ("far.test", "test")


def test_a_certificate_is_for_all_names_of_its_node() -> None:
    """DNS's names for its addresses and their aliases, its own name, the addresses themselves."""
    made = plan("""
nodes:
  web: {address: 10.0.0.80, services: {http: {engine: caddy, content: ., https: true}}}
  ns:
    services:
      dns:
        zones:
          lab.test: {www: 10.0.0.80, alias: {CNAME: www}, far: {CNAME: alias}, other: 192.0.2.81,
            "*.w": 10.0.0.80, _no_host: 10.0.0.80}
""")
    (service,) = made.node("web").services
    assert isinstance(service, HttpService)
    assert service.names == (
        "*.w.lab.test",
        "alias.lab.test",
        "far.lab.test",
        "www.lab.test",
        "web",
        "10.0.0.80",
    )
    assert [node.trusts for node in made.nodes] == [True, True]


def test_without_https_nobody_trusts_more_than_before(root: Path) -> None:
    """The machine's own authorities stay uncovered."""
    assert not any(node.trusts for node in make_plan(load(root / "topologies" / "web.yaml")).nodes)


def test_what_a_plan_tells_of_services() -> None:
    """One row each, for the eye; the same for a program, without what it does not use."""
    made = plan("""
nodes:
  a:
    services:
      exec: {echo: {run: nc -l 7, ready: {port: 7}, restart: on-failure}, x: {run: sleep 9}}
      dns: {engine: bind9, forward: b, dnssec: true, zones: {lab.test: {www: 10.0.0.1}}}
  b: {services: {dns: {engine: bind9, recursive: true, zones: {c.test: {www: 10.0.0.1}}}}}
  r: {services: {dns: {zones: {".": {www: 10.0.0.1}}}}}
""")
    text = describe.text(made)
    for row in (
        "bind9, port 53, serves lab.test (4 records), signed (DNSSEC), forwards to 10.0.0.2",
        "service  exec echo  nc -l 7; ready when tcp port 7 is open, restarted on-failure",
        "service  exec x     sleep 9; ready when it runs",
        "service  dns  bind9, port 53, serves c.test (3 records), recursive from r",
    ):
        assert row in text
    told = describe.data(made)["nodes"][0]["services"]
    assert told[1] == {
        "kind": "exec",
        "engine": "exec",
        "name": "echo",
        "restart": "on-failure",
        "stop": "TERM",
        "run": ["nc", "-l", "7"],
        "ready": {"port": 7},
        "within": 10,
    }
    assert {key: told[0][key] for key in told[0] if key != "zones"} == {
        "kind": "dns",
        "engine": "bind9",
        "forward": ["10.0.0.2"],
        "dnssec": True,
        "anchors": ["lab.test"],
    }
