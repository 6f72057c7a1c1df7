"""What a capture's filter selects, of real packets as Scapy makes them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Ether

from netlab.report.selecting import selects
from netlab.topology.recordings import Selection

# Scapy asks the machine's own network for a destination that is left out, and waits.
ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
PACKETS = {
    "arp": ETHER / ARP(hwsrc=ETHER.src, psrc="10.0.0.1", pdst="10.0.0.2"),
    "icmp": ETHER / IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(),
    "icmpv6": ETHER / IPv6(src="fd00::1", dst="fd00::2") / ICMPv6EchoRequest(),
    "tcp": ETHER / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=50000, dport=80),
    "udp": ETHER / IPv6(src="fd00::1", dst="fd00::2") / UDP(sport=53, dport=50000),
}


def selected(selection: Selection) -> set[str]:
    """Return which of the packets fit."""
    frames = {name: bytes(packet) for name, packet in PACKETS.items()}
    return {name for name, frame in frames.items() if selects(selection, frame, len(frame))}


@pytest.mark.parametrize("protocol", PACKETS)
def test_protocol(protocol: str) -> None:
    """Each protocol selects its own packet alone."""
    assert selected(Selection(protocol)) == {protocol}


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (Selection(), set(PACKETS)),
        (Selection(hosts=(ip_address("10.0.0.2"),)), {"arp", "icmp", "tcp"}),
        (Selection(hosts=(ip_address("10.0.0.1"), ip_address("fd00::1"))), set(PACKETS)),
        (Selection(port=80), {"tcp"}),
        (Selection(port=50000), {"tcp", "udp"}),
        (Selection("udp", port=80), set()),
        (Selection("tcp", (ip_address("10.0.0.3"),), 80), set()),
    ],
)
def test_all_that_is_given_must_fit(selection: Selection, names: set[str]) -> None:
    """Hosts and ports count at either end; what is left out fits everything."""
    assert selected(selection) == names


def test_a_frame_cut_short_is_no_error() -> None:
    """What cannot be read as the protocol is not selected, and provokes nothing."""
    for packet in PACKETS.values():
        frame = bytes(packet)
        for size in range(len(frame)):
            selects(Selection("tcp", (ip_address("10.0.0.1"),), 80), frame[:size], len(frame))
