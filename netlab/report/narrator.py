"""Tells each packet of a capture in a line: who to whom, what, and what is remarkable about it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from ipaddress import IPv6Address

from netlab.plan.model import KERNEL_PORTS
from netlab.report.application import application_summary
from netlab.report.checksum import ip_checksum_ok, transport_checksum_ok
from netlab.report.connections import Connections
from netlab.report.dissect import ARP, ICMP, ICMPV6, IPV4, IPV6, TCP, UDP, dissect, dissect_ip
from netlab.report.fates import WIRE
from netlab.report.frame import Frame
from netlab.report.headers import (
    ACK,
    END_OF_OPTIONS,
    MSS,
    NO_OPERATION,
    SACK,
    SACK_PERMITTED,
    SYN,
    TIMESTAMPS,
    URG,
    WINDOW_SCALE,
    Arp,
    Icmp,
    IPv4,
    IPv6,
    Packet,
    Tcp,
    TcpOption,
    Udp,
)
from netlab.report.icmp_names import ICMP_ERRORS, icmp_name
from netlab.report.line import NO_FLAGS, Line

BROADCAST = "broadcast"

_PROTOCOLS = {
    ICMP: "ICMP", TCP: "TCP", UDP: "UDP", ICMPV6: "ICMPv6",
    2: "IGMP", 47: "GRE", 50: "ESP", 89: "OSPF", 132: "SCTP",
}  # fmt: skip
_ECHO = {4: (0, 8), 6: (128, 129)}  # types by version
_NEIGHBOUR = (135, 136)  # ICMPv6: solicitation and advertisement (RFC 4861)
_TIMESTAMP = (13, 14)
_DONT_FRAGMENT = 2  # a bit of IPv4's flags
_EVERYONES_TTL = 64  # what Linux and Scapy write; no line needs to say it


class Narrator:
    """Frames in the order of their time, one line each; it remembers the connections that it has seen."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = {address: word for address, name in names.items() if (word := as_word(name))}
        self._connections = Connections()
        self._ports: dict[str, bool] = {}  # whether it is a switch's, by interface
        self._start: int | None = None

    def line(self, frame: Frame) -> Line:
        """Tell one packet; time counts from the first that was told."""
        if self._start is None:
            self._start = frame.time_ns
        packet = dissect(frame.data, frame.original_length)
        source, destination = self._ends(packet)
        flags, fields, remarks = self._tell(packet)
        remarks += [self._entrance(frame.interface, source), *_faults(packet), *_wire(frame)]
        if len(frame.data) < frame.original_length:
            remarks.append(f"recorded {len(frame.data)} of {frame.original_length} bytes")
        return Line(
            (frame.time_ns - self._start) // 1000,
            source,
            destination,
            _protocol(packet),
            flags,
            tuple(fields),
            tuple(remark for text in remarks if (remark := as_remark(text))),
        )

    def name(self, address: str) -> str:
        """Return whose address this is, or the address."""
        return self._names.get(address, address)

    def _entrance(self, port: str, source: str) -> str:
        """Return `at PORT` for a packet that came in at another port than its source's first one.

        Only a switch's ports are known, by their nodes' names: what a node itself recorded has none.
        """
        known = self._ports.get(port)
        if known is None:
            first = port.partition(".")[0]
            known = self._ports[port] = any(_is_port_of(first, name) for name in self._names.values())
        if not known:
            return ""
        node = source.rpartition(":")[0] or source
        return "" if _is_port_of(port, node) else f"at {port}"

    def _ends(self, packet: Packet) -> tuple[str, str]:
        ip, arp, ethernet, transport = packet.ip, packet.arp, packet.ethernet, packet.transport
        if ip is not None:
            if isinstance(transport, Tcp | Udp):
                return (
                    self._endpoint(ip.source, transport.source_port),
                    self._endpoint(ip.destination, transport.destination_port),
                )
            return self.name(ip.source), self.name(ip.destination)
        if ethernet is None:
            return "?", "?"
        to_all = ethernet.destination == "ff:ff:ff:ff:ff:ff"
        if arp is None:
            return ethernet.source, BROADCAST if to_all else ethernet.destination
        probes = arp.sender_address == "0.0.0.0"  # noqa: S104 - an ARP probe's sender (RFC 5227), nothing is bound
        source = ethernet.source if probes else self.name(arp.sender_address)
        return source, BROADCAST if to_all else self.name(arp.target_address)

    def _endpoint(self, address: str, port: int) -> str:
        name = self.name(address)
        return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"

    def _tell(self, packet: Packet) -> tuple[str, list[str], list[str]]:
        """Return flags, fields and remarks."""
        transport, flags = packet.transport, ""
        remarks: list[str] = []
        summary = application_summary(packet)
        length = [f"len={packet.payload_length}", *_digest(packet, summary)]
        if packet.arp is not None:
            fields = self._arp(packet.arp)
        elif isinstance(transport, Tcp) and packet.ip is not None:
            flags = ",".join(transport.flag_names) or NO_FLAGS
            fields, remarks = self._tcp(packet, packet.ip, transport, length)
        elif isinstance(transport, Icmp):
            fields, remarks = self._icmp(packet, transport)
            fields += length
        else:
            fields = length
        if packet.ip is not None:
            fields += _ip_words(packet.ip)
        return flags, fields, [summary, *remarks]

    def _arp(self, arp: Arp) -> list[str]:
        if arp.operation == 1:
            return ["who-has", self.name(arp.target_address), "tell", self.name(arp.sender_address)]
        if arp.operation == 2:
            return [self.name(arp.sender_address), "is-at", arp.sender_mac]
        return [f"operation={arp.operation}"]

    def _tcp(
        self, packet: Packet, ip: IPv4 | IPv6, tcp: Tcp, length: list[str]
    ) -> tuple[list[str], list[str]]:
        segment = self._connections.observe(ip, tcp, packet.payload_length)
        fields = [f"seq={segment.seq}"]
        if segment.ack is not None:
            fields.append(f"ack={segment.ack}")
        fields += [f"win={tcp.window}", *length]
        if tcp.flags & URG:
            fields.append(f"urg={tcp.urgent}")
        if tcp.flags & (SYN | ACK) == SYN and tcp.source_port not in KERNEL_PORTS:
            # A seed has drawn it. A SYN-ACK's port is well known, whoever wrote it, and tells nothing.
            fields.append(f"isn={tcp.sequence}")
        usual = () if tcp.flags & SYN else (TIMESTAMPS, SACK)  # SACK's edges follow, as relative numbers
        fields += filter(None, (_option(option) for option in tcp.options if option.kind not in usual))
        fields += (f"sack={left}-{right}" for left, right in segment.sacks)
        remarks = list(segment.remarks)
        if segment.ack is not None and segment.ack < 0:
            remarks.append("acknowledges an older connection")
        return fields, remarks

    def _icmp(self, packet: Packet, icmp: Icmp) -> tuple[list[str], list[str]]:
        fields = [icmp_name(icmp.version, icmp.type, icmp.code)]
        remarks: list[str] = []
        if icmp.type in _ECHO[icmp.version]:
            fields += [f"id={icmp.rest >> 16}", f"seq={icmp.rest & 0xFFFF}"]
        elif icmp.version == 6 and icmp.type in _NEIGHBOUR and len(packet.payload) >= 16:
            fields.append(f"target={self.name(str(IPv6Address(packet.payload[:16])))}")
        elif icmp.type in ICMP_ERRORS[icmp.version]:
            about = dissect_ip(packet.payload)
            if about.ip is not None:
                source, destination = self._ends(about)
                remarks.append(f"for {source} > {destination} {_protocol(about)}")
        return fields, remarks


def _wire(frame: Frame) -> list[str]:
    """Return what a wire did to a packet, which stands in comments of its own."""
    return [comment.removeprefix(WIRE) for comment in frame.comment.splitlines() if comment.startswith(WIRE)]


def as_word(text: str) -> str:
    """Return a name as one word: what is no visible character becomes an underscore."""
    return "".join(c if c.isprintable() and c != " " else "_" for c in text)


def as_remark(text: str) -> str:
    """Return a text that stays within its column and line: visible characters, single spaces."""
    return " ".join("".join(c if c.isprintable() else "·" for c in text).split())


def _protocol(packet: Packet) -> str:
    if packet.ip is not None:
        return _PROTOCOLS.get(packet.ip.protocol, f"IP-{packet.ip.protocol}")
    if packet.ethernet is None:
        return "Ethernet"
    kind = packet.ethernet.type
    # Below 1536 the field is a length (IEEE 802.3), and what follows is LLC.
    known = {ARP: "ARP", IPV4: "IPv4", IPV6: "IPv6"}
    return known.get(kind, f"0x{kind:04x}") if kind >= 0x600 else "LLC"


def _is_port_of(port: str, node: str) -> bool:
    """Tell whether a switch's port is called after a node; a long name was cut (`netlab.plan.names`)."""
    start, cut, number = port.partition("~")
    return node.startswith(start) and number.isdecimal() if cut else port == node


def _digest(packet: Packet, summary: str) -> list[str]:
    """Return 32 bits of the payload's BLAKE2b as a word, where the payload is a sender's own choice.

    ICMP's errors quote IP ids, which a kernel chose; a `ping` sends its clock. A DNS message's id, which a
    resolver may have drawn, is left out where the summary tells it.
    """
    transport, payload = packet.transport, packet.payload
    if summary.startswith("DNS 0x"):
        at = 2 if isinstance(transport, Tcp) else 0
        payload = payload[:at] + payload[at + 2 :]
    if isinstance(transport, Icmp):
        version = transport.version
        if transport.type in (*ICMP_ERRORS[version], *_ECHO[version], *(_TIMESTAMP if version == 4 else ())):
            return []
    return [f"data={blake2b(payload, digest_size=4).hexdigest()}"] if payload else []


def _ip_words(ip: IPv4 | IPv6) -> list[str]:
    """Return what of the IP header is not as in most packets."""
    words = [f"fragment={ip.fragment_offset}"] if ip.fragment_offset or ip.more_fragments else []
    words += ["more"] if ip.more_fragments else []
    words += [f"ttl={ip.ttl}"] if ip.ttl != _EVERYONES_TTL else []
    words += [f"tos=0x{ip.traffic_class:02x}"] if ip.traffic_class else []
    if isinstance(ip, IPv4):
        words += ["df"] if ip.flags & _DONT_FRAGMENT else []
        words += [f"ip-options={ip.options.hex()}"] if ip.options else []
    return words


def _option(option: TcpOption) -> str:
    """Return an option as a word; a timestamp's value is left out: the clock chooses it."""
    if option.kind in (NO_OPERATION, END_OF_OPTIONS):
        return ""
    if option.kind == MSS:
        return f"mss={int.from_bytes(option.value)}"
    if option.kind == WINDOW_SCALE:
        return f"wscale={option.value[0]}"
    return {SACK_PERMITTED: "sackok", TIMESTAMPS: "ts"}.get(option.kind, f"option={option.kind}")


def _faults(packet: Packet) -> list[str]:
    vlans = packet.ethernet.vlans if packet.ethernet else ()
    faults = [f"VLAN {vlan}" for vlan in vlans]
    if ip_checksum_ok(packet) is False:
        faults.append("bad checksum (IPv4)")
    if transport_checksum_ok(packet) is False:
        faults.append(f"bad checksum ({_protocol(packet)})")
    if packet.malformed:
        faults.append(f"malformed: {packet.malformed}")
    return faults
