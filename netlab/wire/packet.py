"""What a wire must know of a frame: its protocol, its flow, and where its transport header and data are."""

from __future__ import annotations

from typing import NamedTuple

ETHERNET = 14  # octets of its header

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))
FLAGS = {"fin": FIN, "syn": SYN, "rst": RST, "psh": PSH, "ack": ACK, "urg": URG, "ece": ECE, "cwr": CWR}

_ICMP, _TCP, _UDP, _ICMPV6 = 1, 6, 17, 58
_NAMES = {_ICMP: "icmp", _TCP: "tcp", _UDP: "udp", _ICMPV6: "icmpv6"}
_FRAGMENT = 44
_AUTHENTICATION = 51  # RFC 4302, section 2.2: its length is in words of 4 bytes, less 2
# RFC 8200, section 4: those that can stand before a transport header that can be read.
_EXTENSIONS = (0, 43, _FRAGMENT, _AUTHENTICATION, 60)
_MOST_EXTENSIONS = 8
# netlab.plan.model.KERNEL_PORTS, in network byte order: which of them it is, no seed decides.
_KERNEL_FIRST, _KERNEL_END = b"\x80\x00", b"\xc0\x00"


class Packet(NamedTuple):
    """A frame, looked at; `protocol` is empty where it is none of `recordings.PROTOCOLS`.

    `flow` is the same in every run for the packets of one conversation in one direction: their protocol,
    their addresses and the lower of their ports, unless it is one that a kernel gives out. `flags` are TCP's.
    `transport`, `payload` and `end` are offsets into the frame; the first two are `end` where there is no
    such thing. `is_later`: a fragment that is not the first. A tuple, and no dataclass, as one is made for
    every packet.
    """

    protocol: str
    flow: bytes
    flags: int
    transport: int
    payload: int
    end: int
    is_later: bool = False

    @property
    def has_data(self) -> bool:
        """Whether there is anything behind the transport header."""
        return self.payload < self.end


def look(frame: bytes) -> Packet:
    """Return what an Ethernet frame is; one cut short or malformed is taken for as much as can be told."""
    kind = frame[12:14]
    if kind == b"\x08\x00" and len(frame) >= ETHERNET + 20:
        # The fragment offset: only at 0 is there a transport header.
        whole = not (frame[20] & 0x1F or frame[21])
        end = min(len(frame), ETHERNET + (frame[16] << 8 | frame[17]))
        return _carried(frame, frame[23], frame[26:34], ETHERNET + (frame[14] & 15) * 4, end, whole)
    if kind == b"\x86\xdd" and len(frame) >= ETHERNET + 40:
        end = min(len(frame), ETHERNET + 40 + (frame[18] << 8 | frame[19]))
        number, transport, whole = _behind_extensions(frame, frame[20], end)
        return _carried(frame, number, frame[22:54], transport, end, whole)
    end = len(frame)
    if kind == b"\x08\x06" and end >= ETHERNET + 28:
        return Packet("arp", kind + frame[28:32] + frame[38:42], 0, end, end, end)
    return Packet("", kind, 0, end, end, end)


def _behind_extensions(frame: bytes, number: int, end: int) -> tuple[int, int, bool]:
    """Return the protocol of an IPv6 packet, its header's offset, and False for a later fragment."""
    at = ETHERNET + 40
    for _ in range(_MOST_EXTENSIONS):
        if number not in _EXTENSIONS or at + 8 > end:
            break
        if number == _FRAGMENT:
            if frame[at + 2] or frame[at + 3] & 0xF8:
                return frame[at], at + 8, False
            number, at = frame[at], at + 8
        elif number == _AUTHENTICATION:
            number, at = frame[at], at + 8 + frame[at + 1] * 4
        else:
            number, at = frame[at], at + 8 + frame[at + 1] * 8
    return number, at, True


def _carried(frame: bytes, number: int, addresses: bytes, at: int, end: int, whole: bool) -> Packet:
    """Return the packet whose transport header, if it is `whole`, is at that offset."""
    name = _NAMES.get(number, "")
    flow = addresses + number.to_bytes(1, "big")
    if number == _TCP and whole and at + 20 <= end:
        payload = at + (frame[at + 12] >> 4) * 4
        return Packet(name, flow + _port(frame, at), frame[at + 13], at, min(payload, end), end)
    if number == _UDP and whole and at + 8 <= end:
        return Packet(name, flow + _port(frame, at), 0, at, at + 8, end)
    if name and whole and at + 8 <= end and number != _TCP:
        return Packet(name, flow, 0, at, at + 8, end)
    return Packet(name, flow, 0, min(at, end), end, end, not whole)


def _port(frame: bytes, at: int) -> bytes:
    low = min(frame[at : at + 2], frame[at + 2 : at + 4])
    return b"" if _KERNEL_FIRST <= low < _KERNEL_END else low
