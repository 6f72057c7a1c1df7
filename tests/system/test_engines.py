"""Real servers as they come, bind9, dnsmasq, nginx and caddy: what they serve, sign, forward, and refuse.

What they do in namespaces in full they do in containers in part: there they come from the node's image.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlab import lab, topology
from netlab.errors import ServiceError
from netlab.lab import Lab
from netlab.lab.record import claim
from tests.system import engines
from tests.system.engines import BIND_NGINX, DNSMASQ_CADDY, Ground
from tests.system.harness import PATIENCE, ROOT, WEB, requires, wait_for

pytestmark = requires("dig", "curl")
NETNS, DOCKER = Ground("netns"), Ground("docker")  # with the engines that the file names
PAIRS = (NETNS, Ground("netns", BIND_NGINX), Ground("netns", DNSMASQ_CADDY), Ground("docker", DNSMASQ_CADDY))
everywhere = pytest.mark.parametrize("ground", [NETNS, DOCKER], ids=engines.called, indirect=True)
in_namespaces = pytest.mark.parametrize("ground", [NETNS], ids=engines.called, indirect=True)
HELLO = (ROOT / "topologies" / "www" / "hello.txt").read_text()


def told(running: Lab, node: str, *argv: str) -> str:
    """Run a command to its end; return what it says, on both its outputs."""
    done = running.output(node, argv, seconds=PATIENCE)
    return done.stdout + done.stderr


def started(text: str, directory: Path, ground: Ground = NETNS) -> Lab:
    """Start a topology of the test's own."""
    return lab.start(ground.plan(topology.parse(text, file="lab.yaml", directory=directory)))


# -- the same topology --------------------------------------------------------------------------------


@pytest.mark.parametrize("ground", PAIRS, ids=engines.called, indirect=True)
def test_the_same_zones_and_pages(ground: Ground, tmp_path: Path) -> None:
    """Addresses, aliases, mail, texts, reverse names, denials, pages come from each; its log has them."""
    plan = ground.plan(topology.load(WEB))
    record = claim(tmp_path / "out", "web")
    asked = {
        ("www.lab.test",): "10.0.0.80\n",
        ("+tcp", "WWW.lab.test"): "10.0.0.80\n",
        ("web.lab.test",): "www.lab.test.\n10.0.0.80\n",
        ("lab.test", "MX"): "10 mail.lab.test.\n",
        ("lab.test", "TXT"): '"hello from the lab"\n',
        ("lab.test", "NS"): "dns.lab.test.\n",
        ("-x", "10.0.0.80"): "www.lab.test.\n",
        ("www.lab.test", "AAAA"): "",
    }
    with lab.start(plan, record=record) as running:
        for words, answer in asked.items():
            assert told(running, "client", "dig", "+short", *words) == answer, words
        assert "status: NXDOMAIN" in told(running, "client", "dig", "nothing.lab.test")
        for name in ("http://www.lab.test/hello.txt", "http://10.0.0.80/hello.txt"):
            assert told(running, "client", "curl", "-s", name) == HELLO
        assert "404" in told(running, "client", "curl", "-sI", "http://www.lab.test/nothing")
        info = running.info["nodes"]
        running.finish()
    served = json.loads((tmp_path / "out" / "services.json").read_text())
    assert served == {"dns": info["dns"]["engines"], "web": info["web"]["engines"]}
    for node, kind in (("dns", "dns"), ("web", "http")):
        assert served[node][kind]["engine"] == ground.engines.get(kind, "builtin")
        is_versioned = re.match(r"[0-9]+\.[0-9]+", served[node][kind]["version"] or "")
        assert bool(is_versioned) is bool(ground.engines)
    logs = tmp_path / "out" / "logs"
    assert "nothing.lab.test" in (logs / "dns-dns.log").read_text()
    assert "/hello.txt" in (logs / "web-http.log").read_text()
    assert sorted(each.name for each in logs.iterdir()) == ["dns-dns.log", "web-http.log"]


# -- a tree of servers -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tree(ground: Ground) -> Iterator[Lab]:
    """Start the shipped tree of name servers."""
    engines.need("bind9")
    with lab.start(ground.plan(topology.load(ROOT / "topologies" / "dns-tree.yaml"))) as running:
        yield running


@in_namespaces
def test_trace_shows_each_step(tree: Lab) -> None:
    """From the root to the top-level domain to the zone, each told by the one above it."""
    said = told(tree, "client", "dig", "+trace", "+nodnssec", "www.lab.test")
    steps = re.findall(r"^(\S+)\s+\d+\s+IN\s+(\S+)\s+(\S+)$|from (\S+)#53", said, re.MULTILINE)
    assert [step[3] or step[:3] for step in steps] == [
        (".", "NS", "a.root-servers.test."),
        "10.0.0.53",
        ("test.", "NS", "ns.nic.test."),
        "10.1.0.53",
        ("lab.test.", "NS", "ns.lab.test."),
        "10.2.0.53",
        ("www.lab.test.", "A", "10.3.0.80"),
        ("lab.test.", "NS", "ns.lab.test."),
        "10.3.0.53",
    ]


@everywhere
def test_the_resolver_walks_and_proves(tree: Lab) -> None:
    """Flag ad: the answer, and that there is none, follow from the root's key, made for this lab."""
    said = told(tree, "client", "dig", "+dnssec", "www.lab.test")
    assert re.search(r"flags: [a-z ]*\bad\b", said)
    assert re.search(r"^www\.lab\.test\.\s+\d+\s+IN\s+RRSIG\s+A 13 ", said, re.MULTILINE)
    denied = told(tree, "client", "dig", "+dnssec", "nothing.lab.test")
    assert "status: NXDOMAIN" in denied
    assert re.search(r"flags: [a-z ]*\bad\b", denied)
    assert told(tree, "client", "curl", "-s", "http://www.lab.test/hello.txt") == HELLO


@in_namespaces
def test_a_zone_that_was_tampered_with(tree: Lab) -> None:
    """An address is changed under its signature: who serves the zone says it, the resolver does not."""
    zone = "/run/netlab/services/ns-dns/lab.test.zone.signed"
    spoil = f"sed -i '/^mail.lab.test/s/10.3.0.80/10.3.0.66/' {zone} && grep -c 10.3.0.66 {zone}"
    assert told(tree, "ns", "sh", "-c", spoil) == "1\n"
    reload = (
        "for p in /proc/[0-9]*; do grep -qs ns-dns/named.con[f] $p/cmdline && kill -HUP ${p#/proc/}; done"
    )
    told(tree, "ns", "sh", "-c", reload)
    direct = ["dig", "+short", "@10.3.0.53", "mail.lab.test"]
    assert wait_for(lambda: told(tree, "client", *direct) == "10.3.0.66\n")
    assert "status: SERVFAIL" in told(tree, "client", "dig", "mail.lab.test")
    assert "status: NOERROR" in told(tree, "client", "dig", "+cd", "mail.lab.test"), (
        "unless told not to check"
    )


@pytest.mark.parametrize("engine", ["bind9", "dnsmasq"])
@in_namespaces
def test_a_forwarder(ground: Ground, engine: str) -> None:
    """It has nothing of its own, and answers with what the builtin server behind it says."""
    engines.need(engine)
    text = f"""
resolver: near
nodes:
  client:
  near: {{services: {{dns: {{engine: {engine}, forward: far}}}}}}
  far: {{services: {{dns: {{zones: {{lab.test: {{www: 192.0.2.80}}}}}}}}}}
"""
    with started(text, ROOT, ground) as running:
        assert told(running, "client", "dig", "+short", "www.lab.test") == "192.0.2.80\n"


# -- HTTPS -----------------------------------------------------------------------------------------------

HTTPS = """
nodes:
  client:
  dns: {services: {dns: {zones: {lab.test: {www: 10.0.0.80, alias: {CNAME: www}}}}}}
  web: {address: 10.0.0.80, services: {http: {engine: caddy, content: www, https: true}}}
"""


@everywhere
def test_https_is_believed_in_the_lab(ground: Ground) -> None:
    """Under every name, by curl, by Python and by OpenSSL; and by nobody who does not know the lab's CA."""
    engines.need("caddy")
    with started(HTTPS, ROOT / "topologies", ground) as running:
        for name in ("www.lab.test", "alias.lab.test", "web", "10.0.0.80"):
            assert told(running, "client", "curl", "-sS", f"https://{name}/hello.txt") == HELLO
        ask = "import urllib.request as u; print(u.urlopen('https://web/hello.txt').read().decode(), end='')"
        assert told(running, "client", "python3", "-c", ask) == HELLO
        bare = ["env", "-u", "SSL_CERT_FILE", "-u", "CURL_CA_BUNDLE", "curl", "-sS"]
        assert told(running, "dns", *bare, "https://www.lab.test/hello.txt") == HELLO
        unknown = [*bare, "--cacert", "/dev/null", "https://www.lab.test/"]
        assert running.output("client", unknown).returncode in (60, 77)
        assert told(running, "client", "curl", "-sS", "http://www.lab.test/hello.txt") == HELLO


# -- by hand, and what goes wrong -------------------------------------------------------------------------


def test_a_configuration_by_hand(tmp_path: Path) -> None:
    """It finds the generated zone beside it, by its bare name; what it says holds."""
    engines.need("bind9")
    (tmp_path / "my.conf").write_text(
        'options { recursion no; version "mine"; lock-file none; pid-file none; };\n'
        'zone "lab.test" { type primary; file "lab.test.zone"; };\n'
    )
    words = "engine: bind9, config: my.conf, zones: {lab.test: {www: 192.0.2.9}}"
    text = f"nodes:\n  a: {{services: {{dns: {{{words}}}}}}}\n  b:\n"
    with started(text, tmp_path) as running:
        assert told(running, "b", "dig", "+short", "www.lab.test") == "192.0.2.9\n"
        assert told(running, "b", "dig", "+short", "@a", "version.bind", "CH", "TXT") == '"mine"\n'


@pytest.mark.parametrize(
    ("engine", "words", "config", "said"),
    [
        ("bind9", "dns: {zones: {x.test: {a: 10.0.0.1}}, config: c", "junk {", "named.conf:"),
        ("bind9", "dns: {zones: {x.test: {'@': {NS: n}, n: {CNAME: b}, b: 10.0.0.1}}", "", "(illegal)"),
        ("dnsmasq", "dns: {zones: {x.test: {a: 10.0.0.1}}, config: c", "junk", "bad option"),
        ("nginx", "http: {content: ., config: c", "junk;", 'unknown directive "junk"'),
        ("caddy", "http: {content: ., config: c", "{\njunk\n}", "option: junk"),
    ],
    ids=["bind9-config", "bind9-zone", "dnsmasq", "nginx", "caddy"],
)
def test_a_server_that_refuses(tmp_path: Path, engine: str, words: str, config: str, said: str) -> None:
    """A configuration or a zone that it does not take is told in its own last words, and no lab is left."""
    engines.need(engine)
    (tmp_path / "c").write_text(config)
    with pytest.raises(ServiceError, match=r"service (dns|http) of node a") as caught:
        started(f"nodes:\n  a: {{services: {{{words}, engine: {engine}}}}}}}\n  b:\n", tmp_path)
    assert any(said in line for line in caught.value.log), caught.value


@pytest.mark.parametrize(
    ("engine", "said"),
    [("builtin", "TCP port 80 of 0.0.0.0 is taken"), ("nginx", "tcp port 80 is open before it starts")],
)
def test_a_port_that_is_taken(engine: str, said: str) -> None:
    """A server that is added where a command of the node's has its port is refused in a sentence."""
    engines.need(engine)
    text = "name: lab\nnodes:\n  a: {address: 10.0.0.1}\n  b:\n"
    serving = f"{{address: 10.0.0.1, services: {{http: {{engine: {engine}, content: www}}}}}}"
    more = topology.parse(
        text.replace("{address: 10.0.0.1}", serving), file="more.yaml", directory=ROOT / "topologies"
    )
    with started(text, ROOT / "topologies") as running:
        listening = running.launch("a", ["python3", "-m", "http.server", "80"], stdio=(0, 2, 2))
        assert wait_for(lambda: "Directory" in told(running, "b", "curl", "-s", "http://a/"))
        with pytest.raises(ServiceError, match="service http of node a") as caught:
            running.apply(NETNS.plan(more))
        assert said in str(caught.value)
        assert "Directory" in told(running, "b", "curl", "-s", "http://a/"), "it goes on"
        listening.close()
