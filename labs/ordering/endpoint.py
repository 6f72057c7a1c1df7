"""Lab ordering once more, by netlab's TCP endpoint, which also says what it has from beyond a gap: SACK."""

import hashlib

from scapy.layers.inet import TCP
from scapy.packet import Packet

from netlab.tcp.driver import connect
from netlab.tcp.settings import Settings

SPACE = 2**32
SEGMENT = 1460 - 12  # timestamps take 12 bytes of each
ROOM = Settings(receive_buffer=8 * SEGMENT, delayed_ack=0)  # as client.py, it acknowledges each segment
acks: list[int] = []  # the first one goes with our GET, and names the page's first byte
story: list[str] = []  # told in the end: a server does not wait for a slow terminal


def note(packet: Packet) -> Packet:
    """Look at a segment that we are about to send, and let it pass."""
    acks.append(packet[TCP].ack)
    numbers = [acks[-1], *next((value for name, value in packet[TCP].options if name == "SAck"), ())]
    due, *edges = ((number - acks[0]) % SPACE for number in numbers)
    blocks = [f"{left} to {right - 1}" for left, right in zip(edges[::2], edges[1::2], strict=True)]
    if blocks:
        story.append(f"{due} is next; of what is beyond we have {', '.join(blocks)}")
    return packet


with connect("web", 80, settings=ROOM) as web:
    web.on_send = note
    web.sendall(b"GET / HTTP/1.0\r\nHost: www.lab.test\r\n\r\n")
    head, _, body = web.makefile().read().partition(b"\r\n\r\n")

print(*story, sep="\n")
print(f"{len(body)} bytes, SHA-256 {hashlib.sha256(body).hexdigest()}")
