"""Caddy: serves a directory, and the same over HTTPS with certificates of an authority that it makes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netlab.plan.model import PlannedNode
from netlab.services.programs import Engine, Program, directory
from netlab.topology.given import LogMatches, PortOpen, Ready
from netlab.topology.model import HttpService, Service

_AUTHORITY = "caddy/pki/authorities/local/root.crt"


def describe(service: Service, node: PlannedNode) -> Program:
    """Return what it takes to serve with Caddy."""
    assert isinstance(service, HttpService)
    place = directory(node, service.kind)
    config = service.config.text if service.config else "\n".join(_lines(service, node, place)) + "\n"
    ready: list[Ready] = [PortOpen(service.port)]
    if service.https:
        ready.append(PortOpen(443))
        # It listens before it has a certificate.
        ready += [LogMatches(rf'obtained successfully.*"{re.escape(name)}"') for name in service.names]
    read = ("--config", f"{place}/Caddyfile", "--adapter", "caddyfile")
    return Program(
        argv=("caddy", "run", *read),
        ready=tuple(ready),
        directory=place,
        files=((f"{place}/Caddyfile", config),),
        links=((f"{place}/content", str(service.content)),),
        fresh=(f"{place}/caddy/certificates",),  # so that it tells again of each that it has
        environment=(("HOME", place), ("XDG_DATA_HOME", place), ("XDG_CONFIG_HOME", place)),
        authority=f"{place}/{_AUTHORITY}" if service.https else "",
        explain=("caddy", "adapt", *read),  # of a file that it cannot read, `run` says nothing
    )


def _lines(service: HttpService, node: PlannedNode, place: str) -> Iterator[str]:
    yield "{"
    yield "\tadmin off"
    yield "\tpersist_config off"
    yield f"\tstorage file_system {place}/caddy"
    yield "\tservers {"
    yield "\t\tprotocols h1 h2"  # no HTTP/3, which is UDP's
    yield "\t}"
    if service.https:
        yield "\tauto_https disable_redirects"
        yield "\tlocal_certs"
        yield "\tskip_install_trust"
        yield "\tpki {"
        yield "\t\tca local {"
        yield f'\t\t\tname "netlab, node {node.name}"'
        yield f'\t\t\troot_cn "netlab, node {node.name}: root"'
        yield f'\t\t\tintermediate_cn "netlab, node {node.name}: intermediate"'
        yield "\t\t}"
        yield "\t}"
    else:
        yield "\tauto_https off"
    yield "}"
    yield from _site([f"http://:{service.port}"], place)
    if service.https:
        yield from _site([f"https://{_host(name)}" for name in service.names], place)


def _site(addresses: list[str], place: str) -> Iterator[str]:
    yield ""
    yield f"{', '.join(addresses)} {{"
    yield f"\troot * {place}/content"
    yield "\tfile_server"
    yield "\tlog {"
    yield "\t\toutput stdout"
    yield "\t}"
    yield "}"


def _host(name: str) -> str:
    return f"[{name}]" if ":" in name else name


ENGINE = Engine(
    name="caddy",
    program="caddy",
    asking=("caddy", "version"),
    version=r"v([0-9]\S*)",
    packages={"arch": "caddy", "alpine": "caddy", "": ""},
    describe=describe,
    helpers={},
)
