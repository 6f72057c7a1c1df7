"""TCP's header field by field, its options included (RFC 9293, section 3.1); see `netlab.report.fields`."""

from __future__ import annotations

from netlab.report.fields import Field, Header, checksum_field, ports
from netlab.report.headers import (
    ACK,
    END_OF_OPTIONS,
    FIN,
    MSS,
    NO_OPERATION,
    PSH,
    RST,
    SACK,
    SACK_PERMITTED,
    SYN,
    TIMESTAMPS,
    URG,
    WINDOW_SCALE,
    Packet,
    Tcp,
    TcpOption,
)

_ECE, _CWR, _AE = 0x40, 0x80, 0x100
_FIXED = 20  # bytes, of a header without options

# Kind → name, and the same in a few letters.
_NAMES = {
    NO_OPERATION: ("No operation", "NOP"),
    MSS: ("Maximum segment size", "MSS"),
    WINDOW_SCALE: ("Window scale", "scale"),
    SACK_PERMITTED: ("SACK permitted", "SACK"),
    SACK: ("SACK", "SACK"),
    TIMESTAMPS: ("Timestamps", "TS"),
}


def tcp_header(packet: Packet, tcp: Tcp) -> Header:
    """Return TCP's header; `packet` has its data and what its checksum covers."""
    words = tcp.header_length // 4
    urgent = "how far the urgent data go" if tcp.flags & URG else "means nothing: URG is not set"
    return Header(
        "TCP, RFC 9293, section 3.1",
        (
            *ports(tcp.source_port, tcp.destination_port),
            Field("Sequence number", 32, str(tcp.sequence), _sequence(tcp, packet.payload_length)),
            Field("Acknowledgment number", 32, str(tcp.acknowledgment), _acknowledgment(tcp)),
            Field(
                "Data offset",
                4,
                str(words),
                f"the data begin after {words} words of 32 bits: 5, and {words - 5} of options",
                "Offset",
            ),
            Field("Reserved", 3, _reserved(packet, tcp), "zero until somebody gives them a meaning", "Rsrvd"),
            *_flags(tcp.flags),
            Field("Window", 16, str(tcp.window), _window(tcp)),
            checksum_field(packet, tcp.checksum, "pseudo-header, header and data"),
            Field("Urgent pointer", 16, str(tcp.urgent), urgent),
            *_options(packet, tcp),
        ),
    )


def _reserved(packet: Packet, tcp: Tcp) -> str:
    return str(packet.data[tcp.offset + 12] >> 1 & 7)


def _sequence(tcp: Tcp, length: int) -> str:
    if tcp.flags & RST:
        if tcp.flags & ACK and tcp.sequence == 0:
            return "zero: it answers a segment without ACK, which named no number to take (section 3.5.2)"
        return "an RST counts only where this is the number that its receiver waits for (RFC 5961)"
    if tcp.flags & SYN:
        return "the initial one (ISN), drawn at random: this side's bytes are counted from it; SYN takes it"
    if length:
        fin = ", after which FIN takes one" if tcp.flags & FIN else ""
        return f"the number of the first of {length} bytes of data{fin}"
    if tcp.flags & FIN:
        return "no data, but FIN takes a number, as a byte does"
    return "no data: the number that the next byte will have"


def _acknowledgment(tcp: Tcp) -> str:
    if not tcp.flags & ACK:
        return "means nothing: ACK is not set"
    if tcp.flags & SYN:
        return "the other side's first number and one: its SYN took one; the next is waited for"
    if tcp.flags & RST:
        return "the number behind the segment that it answers, so that who sent that knows"
    return "the number of the byte that is waited for: all before it has come"


def _window(tcp: Tcp) -> str:
    if tcp.flags & RST:
        return "means nothing: there is no connection"
    if tcp.flags & SYN:
        return "so many bytes this side takes before it acknowledges; a SYN's is never scaled"
    return (
        "so many bytes from the acknowledgment on this side takes; shifted by its SYN's scale, if it had one"
    )


def _flags(flags: int) -> tuple[Field, ...]:
    asks = flags & (SYN | ACK | _CWR | _ECE) == SYN | _CWR | _ECE
    agrees = flags & (SYN | ACK | _CWR | _ECE) == SYN | ACK | _ECE
    # AE's meaning is RFC 9768's, of 2025: before, the bit was NS (RFC 3540, historic by RFC 8311).
    accurate = "counts congestion marks, with CWR and ECE (RFC 9768)"
    whys = (
        ("AE", _AE, accurate, f"{accurate}: unused here; once NS, in RFC 9293 reserved"),
        ("CWR", _CWR, "the sender went slower because of ECE", "the sender had no ECE to go slower for"),
        ("ECE", _ECE, "a packet came with a mark: congestion", "no packet came with a mark of congestion"),
        ("URG", URG, "some data are urgent: see the pointer", "no data are urgent"),
        ("ACK", ACK, "the acknowledgment number counts", "nothing has been heard yet, or nothing counts"),
        ("PSH", PSH, "hand the data to the program now", "the data, if any, may wait for more"),
        ("RST", RST, "the connection is no more, or never was", "no reset"),
        ("SYN", SYN, "count from this sequence number", "the counting began before"),
        ("FIN", FIN, "no more data from this side", "this side may send more"),
    )
    told = {
        "CWR": "in a SYN, with ECE: do you speak ECN (RFC 3168)?" if asks else "",
        "ECE": "in a SYN, with CWR: do you speak ECN (RFC 3168)?" * asks
        + "in a SYN-ACK: I do speak ECN" * agrees,
    }
    return tuple(
        Field(name, 1, str(int(bool(flags & bit))), told.get(name) or (yes if flags & bit else no))
        for name, bit, yes, no in whys
    )


# -- options ------------------------------------------------------------------------------------------


def _options(packet: Packet, tcp: Tcp) -> tuple[Field, ...]:
    """Return the fields of all options; what is damaged, or follows the end, is one field."""
    fields: list[Field] = []
    for option in tcp.options:
        fields += _option(option)
    begin = tcp.offset + _FIXED + sum(each.bits for each in fields) // 8
    rest = packet.data[begin : tcp.offset + tcp.header_length]
    if rest and rest[0] == END_OF_OPTIONS:
        fields.append(Field("End of options", 8, "0", "no option follows", "End"))
        rest = rest[1:]
        if rest:
            why = "fills the last word up: a header is whole words long"
            fields.append(Field("Padding", len(rest) * 8, f"0x{rest.hex()}", why, "Pad"))
    elif rest:
        fields.append(Field("Damaged", len(rest) * 8, f"0x{rest.hex()}", "no option that can be read"))
    return tuple(fields)


def _option(option: TcpOption) -> list[Field]:
    name, short = _NAMES.get(option.kind, (f"Option {option.kind}", "opt"))
    if option.kind == NO_OPERATION:
        return [
            Field(name, 8, str(option.kind), "one byte, so that what follows begins at a whole word", short)
        ]
    size = str(len(option.value) + 2)
    return [
        Field(f"{name}: kind", 8, str(option.kind), "which option this is", short),
        Field("length", 8, size, "bytes of it, kind and length included", "len"),
        *_value(option),
    ]


def _value(option: TcpOption) -> list[Field]:
    """Return the fields behind an option's kind and length, whose number is `dissect`'s to check."""
    words = [int.from_bytes(option.value[at : at + 4]) for at in range(0, len(option.value), 4)]
    bits = len(option.value) * 8
    if option.kind == MSS:
        why = "bytes of data that a segment to this side may have: its MTU less 20 for IP and 20 for TCP"
        return [Field("MSS", bits, str(*words), why)]
    if option.kind == WINDOW_SCALE:
        return [
            Field("shift", bits, str(*words), "this side's later windows are shifted left by so many bits")
        ]
    if option.kind == TIMESTAMPS:
        clock, echo = words
        back = (
            "the other side's, sent back: so it learns the round-trip time"
            if echo
            else "none to send back yet"
        )
        return [Field("TSval", 32, str(clock), "this side's clock"), Field("TSecr", 32, str(echo), back)]
    if option.kind == SACK and bits % 64 == 0:
        edges = (("left edge", "bytes that came early begin here"), ("right edge", "and end before this one"))
        return [Field(edges[at % 2][0], 32, str(word), edges[at % 2][1]) for at, word in enumerate(words)]
    return [Field("value", bits, f"0x{option.value.hex()}", "not explained here")] if bits else []
