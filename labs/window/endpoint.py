"""Lab window once more, by netlab's TCP endpoint: flow control is its own, we merely do not read."""

import hashlib

from scapy.layers.inet import TCP
from scapy.packet import Packet

from netlab.tcp.driver import connect
from netlab.tcp.settings import Settings

PROBES = 2
SEGMENT = 1460 - 12  # timestamps take 12 bytes of each

windows = []


def note(packet: Packet) -> Packet:
    """Look at a segment that we are about to send, and let it pass."""
    windows.append(packet[TCP].window)
    return packet


with connect("web", 80, settings=Settings(receive_buffer=48 * SEGMENT)) as web:
    web.on_send = note
    web.sendall(b"GET / HTTP/1.0\r\nHost: www.lab.test\r\n\r\n")
    while windows.count(0) < 1 + PROBES:  # the ACK that closes the window, and one for each probe
        web.wait(0.1)  # segments are taken and acknowledged, but nobody reads
    head, _, body = web.makefile().read().partition(b"\r\n\r\n")

print(f"Windows that we offered, in the field: {windows}")
print(f"{len(body)} bytes, SHA-256 {hashlib.sha256(body).hexdigest()}")
