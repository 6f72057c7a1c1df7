"""Every header of an IP packet, field by field: how many bits, which value, and why that one.

The reasons are those of this very packet: what a bystander can say who sees no other.
"""

from __future__ import annotations

from netlab.report.checksum import checksum
from netlab.report.dissect import TCP, UDP, dissect_ip
from netlab.report.fields import Field, Header, checksum_field, ports
from netlab.report.headers import Icmp, IPv4, IPv6, Packet, Tcp, Udp
from netlab.report.icmp_names import ICMP_ERRORS, icmp_name
from netlab.report.tcp_fields import tcp_header

_PROTOCOLS = {1: "ICMP", 6: "TCP", 17: "UDP", 58: "ICMPv6"}


def headers(packet: Packet) -> tuple[Header, ...]:
    """Return the headers from IP's on, those that an ICMP error quotes included; none for what is no IP.

    What was cut short, or is damaged so that it cannot be read, is left out.
    """
    ip, transport = packet.ip, packet.transport
    found = []
    if isinstance(ip, IPv4):
        found.append(_ipv4(packet.data, ip))
    elif isinstance(ip, IPv6):
        found.append(_ipv6(packet.data, ip))
    if isinstance(transport, Tcp):
        found.append(tcp_header(packet, transport))
    elif isinstance(transport, Udp):
        found.append(_udp(packet, transport))
    elif isinstance(transport, Icmp):
        found.append(_icmp(packet, transport))
        if transport.type in ICMP_ERRORS[transport.version]:
            quoted = headers(dissect_ip(packet.payload))
            found += [Header(f"quoted: {each.title}", each.fields) for each in quoted]
    return tuple(found)


def _udp(packet: Packet, udp: Udp) -> Header:
    data = udp.length - udp.header_length
    length = Field("Length", 16, str(udp.length), f"in bytes: 8 of this header, {data} of data")
    summed = checksum_field(packet, udp.checksum, "pseudo-header, header and data")
    if udp.checksum == 0 and isinstance(packet.ip, IPv4):
        summed = Field("Checksum", 16, "0x0000", "zero: the sender computed none, as UDP may over IPv4")
    both = ports(udp.source_port, udp.destination_port)
    return Header("UDP, RFC 768", (*both, length, summed))


def _icmp(packet: Packet, icmp: Icmp) -> Header:
    name = icmp_name(icmp.version, icmp.type, icmp.code)
    title, covers = "ICMP, RFC 792", "header and data, without a pseudo-header"
    if icmp.version == 6:
        title, covers = "ICMPv6, RFC 4443", "pseudo-header, header and data"
    rest = f"0x{icmp.rest:08x}"
    is_error = icmp.type in ICMP_ERRORS[icmp.version]
    return Header(
        title,
        (
            Field("Type", 8, str(icmp.type), f"with the code: {name}"),
            Field("Code", 8, str(icmp.code), "which kind of that type"),
            checksum_field(packet, icmp.checksum, covers),
            Field(
                "Rest of header",
                32,
                rest,
                "what it is depends on the type; the packet that is at fault follows"
                if is_error
                else "what it is depends on the type; an echo has its id and number here",
            ),
        ),
    )


def _ipv4(data: bytes, ip: IPv4) -> Header:
    words, options = ip.header_length // 4, len(ip.options) * 8
    carried = ip.total_length - ip.header_length
    dont, more = ip.flags >> 1 & 1, ip.flags & 1
    fragment = f"the data begin {ip.fragment_offset} bytes into what was sent, in units of 8"
    summed = checksum(data[ip.offset : ip.offset + ip.header_length])
    fields: tuple[Field, ...] = (
        Field("Version", 4, "4", "IPv4", "Ver"),
        Field(
            "Header length", 4, str(words), f"{words} words of 32 bits: 5, and {words - 5} of options", "IHL"
        ),
        *_traffic_class(ip.traffic_class),
        Field(
            "Total length", 16, str(ip.total_length), f"{ip.header_length} of this header, {carried} behind"
        ),
        Field(
            "Identification", 16, str(ip.identification), "which fragments belong together: those of one id"
        ),
        Field("Reserved", 1, str(ip.flags >> 2), "must be zero", "0"),
        Field("DF", 1, str(dont), "routers must not fragment it" if dont else "routers may fragment it"),
        Field("MF", 1, str(more), "more fragments follow" if more else "no more fragments follow"),
        Field("Fragment offset", 13, str(ip.fragment_offset // 8), fragment, "Fragment"),
        Field("Time to live", 8, str(ip.ttl), "each router takes one off; at 0 it is dropped", "TTL"),
        Field("Protocol", 8, str(ip.protocol), _next(ip.protocol)),
        Field(
            "Header checksum",
            16,
            f"0x{ip.checksum:04x}",
            "over this header alone; " + ("it is right" if summed == 0 else "it is WRONG"),
        ),
        Field("Source address", 32, ip.source, "who sends it, or says so"),
        Field("Destination address", 32, ip.destination, "who is to get it"),
    )
    if options:
        fields += (
            Field("Options", options, f"0x{ip.options.hex()}", "rare, and read by every router on the way"),
        )
    return Header("IPv4, RFC 791", fields)


def _ipv6(data: bytes, ip: IPv6) -> Header:
    payload, following = ip.total_length - 40, data[ip.offset + 6]
    extensions = data[ip.offset + 40 : ip.offset + ip.header_length]
    fields: tuple[Field, ...] = (
        Field("Version", 4, "6", "IPv6", "Ver"),
        *_traffic_class(ip.traffic_class),
        Field("Flow label", 20, f"0x{ip.flow_label:05x}", "the sender's mark for packets that go together"),
        Field(
            "Payload length",
            16,
            str(payload),
            f"bytes behind this header of 40; {len(extensions)} are extensions",
        ),
        Field("Next header", 8, str(following), _next(following)),
        Field("Hop limit", 8, str(ip.ttl), "each router takes one off; at 0 it is dropped"),
        Field("Source address", 128, ip.source, "who sends it, or says so"),
        Field("Destination address", 128, ip.destination, "who is to get it"),
    )
    if extensions:
        why = "extension headers, of which each names the next"
        fields += (Field("Extensions", len(extensions) * 8, f"0x{extensions.hex()}", why),)
    return Header("IPv6, RFC 8200", fields)


def _traffic_class(octet: int) -> tuple[Field, Field]:
    ecn = {0: "the sender speaks no ECN for this packet", 3: "a router on the way had congestion"}
    return (
        Field(
            "DSCP",
            6,
            str(octet >> 2),
            "which service it wants (RFC 2474)" if octet >> 2 else "the usual service",
        ),
        Field(
            "ECN", 2, str(octet & 3), ecn.get(octet & 3, "a router with congestion may mark it (RFC 3168)")
        ),
    )


def _next(protocol: int) -> str:
    """Say what a header's protocol number announces."""
    name = _PROTOCOLS.get(protocol)
    if protocol in (TCP, UDP):
        return f"what follows is {name}; its pseudo-header has this number, too"
    return f"what follows is {name}" if name else "what follows is none of those that are drawn here"
