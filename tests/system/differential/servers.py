"""The labs of the differential tests: a client, a builtin server, and a real one with the same to serve.

The real one is configured and started here and nowhere else.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from netlab import lab
from netlab.lab import Lab
from netlab.plan import make_plan
from netlab.topology.given import GivenFile, PortOpen, Provisions, Startup
from netlab.topology.model import DnsService, HttpService, Interface, Network, Node, Service, Topology, Zone

REQUIRED = "NETLAB_REQUIRE_ENGINES"
PACKAGES = {"named": "bind9", "nginx": "nginx-light"}
CLIENT = "10.0.0.1"
BUILTIN = "10.0.0.2"
REAL = "10.0.0.3"
MODULE = Path(__file__).with_name("exchange.py")

# Everything that is a policy, and not the protocol, is set to what the builtin server does.
NAMED = """\
options {
    directory "/tmp"; pid-file none; session-keyfile none; managed-keys-directory "/tmp";
    listen-on { any; }; listen-on-v6 { none; };
    recursion no; allow-transfer { none; }; notify no; dnssec-validation no; empty-zones-enable no;
    max-udp-size 1232; edns-udp-size 1232; answer-cookie no; minimal-responses no-auth; version none;
    check-names primary ignore; tcp-clients 500; max-records-per-type 0;
    zero-no-soa-ttl no; no-case-compress { any; };
};
controls { };
"""
NGINX = """\
daemon off; master_process off; pid /tmp/nginx.pid; error_log stderr;
events { worker_connections 512; }
http {
    types {
        text/css css; text/html html; image/jpeg jpg; text/javascript js; application/json json;
        text/markdown md; image/png png; image/svg+xml svg; text/plain txt;
    }
    charset utf-8; charset_types text/css text/html text/javascript text/markdown text/plain;
    default_type application/octet-stream; access_log off; server_tokens off; absolute_redirect off;
    client_body_temp_path /tmp/body; fastcgi_temp_path /tmp/fastcgi; proxy_temp_path /tmp/proxy;
    scgi_temp_path /tmp/scgi; uwsgi_temp_path /tmp/uwsgi; lingering_close always; lingering_timeout 200ms;
    keepalive_requests 1000000; tcp_nodelay on;
    server { listen 80 backlog=511; root %s; index index.html; }
}
"""


def needs(program: str) -> pytest.MarkDecorator:
    """Skip where a real server is not installed; fail there if the environment says that it must be."""
    there = find(program) is not None or os.environ.get(REQUIRED) == "1"
    return pytest.mark.skipif(not there, reason=f"no {program}: the package {PACKAGES[program]} has it")


def find(program: str) -> str | None:
    """Return the path of a server, which an ordinary user's PATH may not lead to."""
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def _file(path: str, text: str) -> GivenFile:
    return GivenFile(path, text.encode())


def bind(zones: Sequence[Zone]) -> Provisions:
    """Give a node BIND, authoritative for the zones."""
    stanzas = [f'zone "{zone.origin}" {{ type primary; file "/etc/bind/{zone.origin}"; }};' for zone in zones]
    files = [_file("/etc/bind/netlab.conf", NAMED + "\n".join(stanzas) + "\n")]
    for zone in zones:
        lines = [f"$ORIGIN {zone.origin}.", "$TTL 300"]
        lines += [f"{record.owner} IN {record.type} {record.rdata}" for record in zone.records]
        files.append(_file(f"/etc/bind/{zone.origin}", "\n".join(lines) + "\n"))
    argv = (find("named") or "named", "-g", "-n", "1", "-c", "/etc/bind/netlab.conf")
    return Provisions(files=tuple(files), start=(Startup(argv, PortOpen(53), 30),))


def nginx(content: Path) -> Provisions:
    """Give a node nginx, with the files below a directory."""
    argv = (find("nginx") or "nginx", "-c", "/etc/nginx/netlab.conf")
    return Provisions(
        files=(_file("/etc/nginx/netlab.conf", NGINX % content),), start=(Startup(argv, PortOpen(80), 30),)
    )


def _node(name: str, address: str, services: Sequence[Service] = (), given: Provisions | None = None) -> Node:
    interfaces = (Interface("eth0", "lan", IPv4Address(address)),)
    return Node(name, interfaces, tuple(services), provisions=given or Provisions())


def both(service: DnsService | HttpService, *, real: bool = True) -> Topology:
    """Ask for a lab of a client and two servers of the same, the builtin one and, if wanted, the real one."""
    nodes = [_node("client", CLIENT), _node("builtin", BUILTIN, [service])]
    if real:
        given = bind(service.zones) if isinstance(service, DnsService) else nginx(service.content)
        nodes.append(_node("real", REAL, given=given))
    return Topology("differential", 1, (Network("lan", IPv4Network("10.0.0.0/24")),), tuple(nodes))


class Client:
    """The process in the client's node that sends what it is told, to both servers: exchange.py."""

    def __init__(self, running: Lab) -> None:
        questions, self._questions = os.pipe()
        self._answers, answers = os.pipe()
        self._running = running.launch("client", [sys.executable, str(MODULE)], stdio=(questions, answers, 2))
        os.close(questions)
        os.close(answers)
        self._to = os.fdopen(self._questions, "w")
        self._from = os.fdopen(self._answers)

    def exchange(self, kind: str, messages: Mapping[str, Iterable[bytes]]) -> dict[str, Any]:
        """Return what each address answers to its messages: hexadecimal, as exchange.py has it."""
        wanted = {address: [one.hex() for one in each] for address, each in messages.items()}
        print(json.dumps({"kind": kind, "messages": wanted}), file=self._to, flush=True)
        line = self._from.readline()
        assert line, "the client in the lab has ended"
        told: dict[str, Any] = json.loads(line)
        return told

    def close(self) -> None:
        """End it."""
        self._to.close()
        self._from.close()
        self._running.wait(30)
        self._running.close()


@contextmanager
def client_of(service: DnsService | HttpService, *visible: Path) -> Iterator[Client]:
    """Start the lab, and yield the client in it."""
    with lab.start(make_plan(both(service)), visible=visible) as running:
        client = Client(running)
        try:
            yield client
        finally:
            client.close()
