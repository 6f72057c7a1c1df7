"""Which engine serves what: two dicts, read by whoever starts a service.

An engine is a server of netlab's own, or a program of the machine's (`netlab.services.programs`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from netlab.topology.model import DnsService, HttpService, Service

if TYPE_CHECKING:
    from netlab.services.programs import Engine

Log = Callable[[str], None]


def every_address(*, ipv6: bool) -> tuple[str, ...]:
    """Return what a server listens on to serve all networks of its node; IPv4's first."""
    return ("0.0.0.0", "::") if ipv6 else ("0.0.0.0",)  # noqa: S104 — the node has no way out


class Server(Protocol):
    """A server that is bound first, so that its readiness is a fact, and then serves until it is killed."""

    def bind(self) -> None:
        """Take the port; MachineError where it is taken."""

    def serve(self) -> None:
        """Answer, for ever."""


def _builtin_dns(service: Service, addresses: Sequence[str], log: Log) -> Server:
    from netlab.services.dns import Authority
    from netlab.services.dns_server import DnsServer

    assert isinstance(service, DnsService)
    return DnsServer(Authority.from_zones(service.zones), addresses[0], 53, log, more=addresses[1:])


def _builtin_http(service: Service, addresses: Sequence[str], log: Log) -> Server:
    from netlab.services.http import Site
    from netlab.services.http_server import DirectoryContent, HttpServer

    assert isinstance(service, HttpService)
    return HttpServer(
        Site(DirectoryContent(service.content)), addresses[0], service.port, log, more=addresses[1:]
    )


ENGINES: dict[tuple[str, str], Callable[[Service, Sequence[str], Log], Server]] = {
    ("dns", "builtin"): _builtin_dns,
    ("http", "builtin"): _builtin_http,
}

# Each module has its engine as ENGINE.
PROGRAMS = {
    ("dns", "bind9"): "netlab.services.bind9",
    ("dns", "dnsmasq"): "netlab.services.dnsmasq",
    ("http", "nginx"): "netlab.services.nginx",
    ("http", "caddy"): "netlab.services.caddy",
}


def program(service: Service) -> Engine | None:
    """Return the engine of a service that a program of the machine's serves; None for any other."""
    name = PROGRAMS.get((service.kind, service.engine))
    if name is None:
        return None
    engine: Engine = import_module(name).ENGINE
    return engine


def every_program() -> Iterator[Engine]:
    """Yield all engines that are programs of the machine's."""
    for name in PROGRAMS.values():
        engine: Engine = import_module(name).ENGINE
        yield engine
