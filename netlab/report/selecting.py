"""Whether a packet is one of those that a recording is meant to have."""

from __future__ import annotations

from netlab.report.dissect import dissect
from netlab.report.headers import Icmp, Packet, Tcp, Udp
from netlab.topology.recordings import Selection


def selects(selection: Selection, data: bytes, length: int) -> bool:
    """Whether a frame fits; `length` is what it had on the wire.

    Of a datagram in fragments only the first has ports (RFC 791, section 3.2): the others are left out.
    """
    if selection == Selection():
        return True
    packet = dissect(data, length)
    return _is(selection.protocol, packet) and _has_host(selection, packet) and _has_port(selection, packet)


def _is(protocol: str | None, packet: Packet) -> bool:
    match protocol:
        case None:
            return True
        case "arp":
            return packet.arp is not None
        case "tcp":
            return isinstance(packet.transport, Tcp)
        case "udp":
            return isinstance(packet.transport, Udp)
    return isinstance(packet.transport, Icmp) and packet.transport.version == (4 if protocol == "icmp" else 6)


def _has_host(selection: Selection, packet: Packet) -> bool:
    if not selection.hosts:
        return True
    hosts = {str(host) for host in selection.hosts}
    if packet.arp is not None:
        return bool(hosts & {packet.arp.sender_address, packet.arp.target_address})
    return packet.ip is not None and bool(hosts & {packet.ip.source, packet.ip.destination})


def _has_port(selection: Selection, packet: Packet) -> bool:
    if selection.port is None:
        return True
    transport = packet.transport
    return isinstance(transport, Tcp | Udp) and selection.port in (
        transport.source_port,
        transport.destination_port,
    )
