"""Signs the zones of a lab with keys that are made for it, before any server starts.

Its counterpart is `netlab.services.dnssec`, which knows the commands.
"""

from __future__ import annotations

from collections.abc import Mapping

from netlab.backends.inside import errands
from netlab.backends.inside.nodes import NodeSpace
from netlab.errors import ServiceError
from netlab.plan.serving import delegates, parent_of
from netlab.services import bind9, dnssec
from netlab.services.programs import directory
from netlab.services.zonefile import file_name, zone_text
from netlab.topology.model import DnsService, Zone

Environments = Mapping[str, Mapping[str, str]]


def sign(nodes: Mapping[str, NodeSpace], environments: Environments, *, anew: bool = True) -> None:
    """Sign zones from the deepest up, and leave those whom nobody vouches for with the recursive servers.

    `environments` are those of the nodes that are to sign, or to be told; the zones of others are signed
    already. Unless `anew`, all have their keys. ServiceError, with the tools' words, where one cannot be
    signed.
    """
    served = [(node, service) for node in nodes.values() for service in _dns(node)]
    zones = {z.origin.lower(): (s.dnssec, z) for _, s in served for z in s.zones}
    signed = {z.origin.lower(): (node, z) for node, s in served if s.dnssec for z in s.zones}
    vouching: dict[str, str] = {}
    for origin in dnssec.order(signed):
        node, zone = signed[origin]
        if node.plan.name in environments:
            below = [
                text
                for child, text in vouching.items()
                if parent_of(child, zones) == origin and delegates(zone, child)
            ]
            _sign(node, zone, below, environments[node.plan.name], anew=anew)
        vouching[origin] = _digests(node, origin)
    for node, service in served:
        if service.anchors and node.plan.name in environments:
            text = dnssec.anchors([(origin, vouching[origin]) for origin in service.anchors])
            errands.write(node, [(f"{directory(node.plan, 'dns')}/{bind9.ANCHORS}", text)])


def _dns(node: NodeSpace) -> list[DnsService]:
    return [one for one in node.plan.services if isinstance(one, DnsService)]


def _keys(node: NodeSpace) -> str:
    return f"{directory(node.plan, 'dns')}/{bind9.KEYS}"


def _digests(node: NodeSpace, origin: str) -> str:
    """Return the DS records of a zone that is signed."""
    return errands.read(node, f"{_keys(node)}/{dnssec.ds_file(origin)}").decode()


def _sign(
    node: NodeSpace, zone: Zone, below: list[str], environment: Mapping[str, str], *, anew: bool
) -> None:
    """Sign a zone, in which it vouches for those below."""
    place = directory(node.plan, "dns")
    file = f"{place}/{file_name(zone.origin)}"
    errands.write(node, [(file, zone_text(zone) + "".join(below))])
    for argv in dnssec.commands(zone.origin.lower(), file, _keys(node), anew=anew):
        status, said = errands.run(node, argv, place, environment)
        if status:
            what = f"the zone {zone.origin} of node {node.plan.name} cannot be signed"
            raise ServiceError(what, f"{argv[0]} says", said.splitlines())
