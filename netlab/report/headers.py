"""The headers that a packet can have, as data; `netlab.report.dissect` reads them from bytes.

Every header knows where it lies in the frame (`offset`, `header_length`, in bytes), so that it can be drawn.
Addresses are text, all else is the field's own number.
"""

from __future__ import annotations

from dataclasses import dataclass

# Transmission order within the byte is high bit first; names are read from FIN up, as everyone says them.
FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE")
FIN, SYN, RST, PSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20

END_OF_OPTIONS, NO_OPERATION, MSS, WINDOW_SCALE, SACK_PERMITTED, SACK, TIMESTAMPS = 0, 1, 2, 3, 4, 5, 8


@dataclass(frozen=True, slots=True)
class Ethernet:
    """An Ethernet II header; `vlans` are 802.1Q identifiers, outermost first, `type` what follows them."""

    offset: int
    header_length: int
    destination: str
    source: str
    type: int
    vlans: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Arp:
    """ARP for IPv4 over Ethernet (RFC 826); `operation` 1 asks, 2 answers."""

    offset: int
    header_length: int
    operation: int
    sender_mac: str
    sender_address: str
    target_mac: str
    target_address: str


@dataclass(frozen=True, slots=True)
class IPv4:
    """RFC 791; `fragment_offset` is in bytes, `flags` are the header's three bits (2: DF, 1: MF)."""

    offset: int
    header_length: int
    traffic_class: int
    total_length: int
    identification: int
    flags: int
    fragment_offset: int
    ttl: int
    protocol: int
    checksum: int
    source: str
    destination: str
    options: bytes = b""

    @property
    def more_fragments(self) -> bool:
        """Whether another fragment follows this one."""
        return bool(self.flags & 1)


@dataclass(frozen=True, slots=True)
class IPv6:
    """RFC 8200; `header_length` includes the extension headers, whose numbers are in `extensions`, in order.

    `protocol` is the last header's Next Header, `total_length` counts from `offset` as IPv4's does.
    """

    offset: int
    header_length: int
    traffic_class: int
    flow_label: int
    total_length: int
    ttl: int
    protocol: int
    source: str
    destination: str
    extensions: tuple[int, ...] = ()
    identification: int = 0
    fragment_offset: int = 0
    more_fragments: bool = False


@dataclass(frozen=True, slots=True)
class TcpOption:
    """One TCP option; `value` is without kind and length."""

    kind: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Tcp:
    """RFC 9293, section 3.1; `flags` has AE (once NS) as bit 8."""

    offset: int
    header_length: int
    source_port: int
    destination_port: int
    sequence: int
    acknowledgment: int
    flags: int
    window: int
    checksum: int
    urgent: int
    options: tuple[TcpOption, ...] = ()

    @property
    def flag_names(self) -> tuple[str, ...]:
        """The names of the flags that are set, from FIN up."""
        return tuple(name for bit, name in enumerate(FLAGS) if self.flags >> bit & 1)


@dataclass(frozen=True, slots=True)
class Udp:
    """RFC 768; `length` is the header's own, 8 more than the payload's."""

    offset: int
    header_length: int
    source_port: int
    destination_port: int
    length: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Icmp:
    """ICMP (RFC 792, `version` 4) or ICMPv6 (RFC 4443, `version` 6); `rest` is the header's second word."""

    offset: int
    header_length: int
    version: int
    type: int
    code: int
    checksum: int
    rest: int


@dataclass(frozen=True, slots=True)
class Packet:
    """A dissected frame; a header is None where the packet has none, or where it was too damaged to read.

    `payload` is what the innermost header carries, as far as it was captured, `payload_length` how long the
    headers say it is. `malformed` says what is wrong with the packet; empty: nothing.
    """

    data: bytes
    ethernet: Ethernet | None = None
    arp: Arp | None = None
    ip: IPv4 | IPv6 | None = None
    transport: Tcp | Udp | Icmp | None = None
    payload: bytes = b""
    payload_length: int = 0
    malformed: str = ""

    @property
    def is_fragment(self) -> bool:
        """Whether this is a part of an IP datagram, the first one included."""
        return self.ip is not None and bool(self.ip.more_fragments or self.ip.fragment_offset)
