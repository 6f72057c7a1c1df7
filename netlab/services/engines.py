"""Which engine serves what: one dict, read by whoever starts a service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from netlab.topology.model import DnsService, HttpService, Service

Log = Callable[[str], None]


class Server(Protocol):
    """A server that is bound first, so that its readiness is a fact, and then serves until it is killed."""

    def bind(self) -> None:
        """Take the port; MachineError where it is taken."""

    def serve(self) -> None:
        """Answer, for ever."""


def _builtin_dns(service: Service, address: str, log: Log) -> Server:
    from netlab.services.dns import Authority
    from netlab.services.dns_server import DnsServer

    assert isinstance(service, DnsService)
    return DnsServer(Authority.from_zones(service.zones), address, 53, log)


def _builtin_http(service: Service, address: str, log: Log) -> Server:
    from netlab.services.http import Site
    from netlab.services.http_server import DirectoryContent, HttpServer

    assert isinstance(service, HttpService)
    return HttpServer(Site(DirectoryContent(service.content)), address, service.port, log)


ENGINES: dict[tuple[str, str], Callable[[Service, str, Log], Server]] = {
    ("dns", "builtin"): _builtin_dns,
    ("http", "builtin"): _builtin_http,
}
