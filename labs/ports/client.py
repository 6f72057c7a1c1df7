"""Lab ports: draw a port, knock at others, open and closed, and see who answers with what.

Usage: client.py. The node's /etc/hosts knows the names dns and web.
"""

import itertools
import random
import socket
import struct
import sys

from scapy.all import *

from netlab.tcp.driver import connect
from netlab.tcp.settings import Settings

FIRST, LAST = 49152, 65535  # the dynamic ports (RFC 6335, section 6), both ends included
WAIT = 2  # seconds for an answer
NOTHING_LISTENS = 81
AT_ONCE = Settings(delayed_ack=0)  # acknowledge each segment by itself, so that every run is the same


def draw_port() -> int:
    """Draw a port as a client must: any of the 16384 dynamic ones, the last one too."""
    return random.randint(FIRST, LAST)


def ask(packet: Packet) -> IP:
    """Send a packet and return what answers it; ends the script where nothing does."""
    reply = sr1(packet, timeout=WAIT, verbose=False)
    if reply is None:
        sys.exit(f"No answer within {WAIT} s to {packet.summary()}")
    return reply


def query(port: int) -> None:
    """Ask the name server from a port, and show that the answer finds back to it."""
    message = DNS(id=random.randint(0, 65535), rd=1, qd=DNSQR(qname="www.lab.test"))
    reply = ask(IP(dst="dns") / UDP(sport=port, dport=53) / message)
    print(f"   from {port} to 53; the answer: from {reply[UDP].sport} to {reply[UDP].dport}")


def draw() -> None:
    """Draw a client's own port, so that nobody can guess it, from all that there are."""
    print("1. A query, from a port that we draw:")
    query(draw_port())
    draws = next(count for count in itertools.count(1) if draw_port() == LAST)
    print(f"2. Draw number {draws} with randint({FIRST}, {LAST}) was {LAST} itself. As good as any:")
    query(LAST)
    # The article's randrange leaves its second number out, as all ranges in Python do.
    highest = max(random.randrange(FIRST, LAST) for _ in range(50_000))
    print(f"   The highest of 50000 draws with randrange({FIRST}, {LAST}): {highest}.")


def overstep() -> None:
    """Try what is no port: the field has 16 bits, and 0 means that there is none."""
    print("3. 65536 needs 17 bits. Scapy, which packs the header, and Python's socket, refuse it:")
    try:
        bytes(UDP(dport=65536))
    except (ValueError, struct.error) as error:  # which one, depends on Scapy's version
        print(f"   Scapy: {str(error).splitlines()[0].rstrip(':')}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(b"", ("127.0.0.1", 65536))
        except OverflowError as error:
            print(f"   socket: {error}")
        print("   0 fits into the field, and Scapy packs it. The kernel sends nothing to it:")
        try:
            sock.sendto(b"", ("127.0.0.1", 0))
        except OSError as error:
            print(f"   sendto: {error.strerror}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", 0))  # here, 0 asks the kernel to choose one
        print(f"   A socket that is bound to 0 gets a port of the kernel's choice: {sock.getsockname()[1]}")


def knock_at_closed_udp() -> None:
    """UDP has no word for “nobody is here”: IP's own messenger, ICMP, brings it."""
    print("4. A datagram to web's UDP port 80, where TCP's port 80 is open. UDP's are others:\n")
    datagram = IP(dst="web") / UDP(sport=draw_port(), dport=80) / b"Is anybody there?"
    reply = ask(datagram)
    reply.show()
    print("   It quotes the datagram's first bytes, so that its sender can tell which one this was about:")
    print(f"   ours: from {datagram[UDP].sport} to {datagram[UDP].dport}; quoted: from", end=" ")
    print(f"{reply[UDPerror].sport} to {reply[UDPerror].dport}")


def knock_at_closed_tcp() -> None:
    """TCP has a word for it: RST. Its numbers are the answer's rule (RFC 9293, section 3.10.7.1)."""
    ours = draw_port()
    print(f"5. TCP segments to web's port {NOTHING_LISTENS}, where nothing listens:")
    for flags in ("S", "A"):
        segment = TCP(sport=ours, dport=NOTHING_LISTENS, seq=random.getrandbits(32), ack=0, flags=flags)
        segment.ack = random.getrandbits(32) if flags == "A" else 0
        rst = ask(IP(dst="web") / segment)[TCP]
        print(f"   sent {flags!s:2}  seq={segment.seq:<10}  ack={segment.ack}")
        print(f"   got  {rst.flags!s:2}  seq={rst.seq:<10}  ack={rst.ack}")


def knock_at_open_tcp() -> None:
    """Get a SYN-ACK from each open port. We do not mean it, and say so: with RST."""
    print("6. The same SYN to ports where something listens:")
    for node, port in (("web", 80), ("web", 8080), ("dns", 53)):
        ip, ours = IP(dst=node), draw_port()
        syn = TCP(sport=ours, dport=port, seq=random.getrandbits(32), flags="S")
        answer = ask(ip / syn)[TCP]
        send(ip / TCP(sport=ours, dport=port, seq=answer.ack, flags="R"), verbose=False)
        print(f"   {node} {port}: {answer.flags}")


def fetch_both() -> None:
    """One address, two servers: the port alone says for whom a segment is."""
    print("7. One machine, two servers:")
    for port in (80, 8080):
        with connect("web", port, settings=AT_ONCE) as server:
            server.sendall(b"GET /hello.txt HTTP/1.0\r\nHost: web\r\n\r\n")
            page = server.makefile().read().partition(b"\r\n\r\n")[2].decode()
        print(f"   web {port}: {page.splitlines()[0]}")


draw()
overstep()
knock_at_closed_udp()
knock_at_closed_tcp()
knock_at_open_tcp()
fetch_both()
