"""A header's fields as one explains them, and those that several headers have.

`netlab.report.packet_fields` and, for TCP, `netlab.report.tcp_fields` have the headers;
`netlab.report.drawing` draws them.
"""

from __future__ import annotations

from dataclasses import dataclass

from netlab.plan.model import KERNEL_PORTS
from netlab.report.checksum import transport_checksum
from netlab.report.headers import Packet

_WELL_KNOWN = {
    7: "echo", 22: "SSH", 25: "SMTP", 53: "DNS", 67: "DHCP", 68: "DHCP", 80: "HTTP", 123: "NTP",
    443: "HTTPS", 853: "DNS over TLS",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """A field of so many bits; `said` is its value as one writes it, `short` its name where room lacks."""

    name: str
    bits: int
    said: str
    why: str
    short: str = ""


@dataclass(frozen=True, slots=True)
class Header:
    """A header's fields in the order of transmission; all together they fill words of 32 bits."""

    title: str
    fields: tuple[Field, ...]


def ports(source: int, destination: int) -> tuple[Field, Field]:
    """Return the two ports with which TCP and UDP begin."""
    return (
        Field("Source port", 16, str(source), f"where an answer is to go; {_kind(source)}"),
        Field("Destination port", 16, str(destination), f"whom this is for; {_kind(destination)}"),
    )


def _kind(port: int) -> str:
    """Say what a port's number tells (RFC 6335, section 6)."""
    if port < 1024:
        return "a well-known one, 0–1023" + (f": {_WELL_KNOWN[port]}" if port in _WELL_KNOWN else "")
    if port < 49152:
        whose = "; a lab's kernels draw theirs there" if port in KERNEL_PORTS else ""
        return f"a registered one, 1024–49151{whose}"
    return "a dynamic one, 49152–65535: drawn by who begins"


def checksum_field(packet: Packet, told: int, covers: str) -> Field:
    """Return the field of a transport's checksum, which is computed anew."""
    right = transport_checksum(packet)
    if right is None:
        why = f"over {covers}; it cannot be verified here, where not all of that is"
    elif right == told:
        why = f"over {covers}; computed anew, it is the same"
    else:
        why = f"over {covers}; WRONG: computed anew, it is 0x{right:04x}"
    return Field("Checksum", 16, f"0x{told:04x}", why)
