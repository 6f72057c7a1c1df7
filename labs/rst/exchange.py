"""What the two other cures have in common: open a connection by hand, fetch /hello.txt, close it."""

import random
import sys
from collections.abc import Callable

from scapy.all import *

PORTS = (49152, 65535)
SPACE = 2**32


def fetch(ip: IP, port: int, send: Callable[[IP], object], receive: Callable[[], IP]) -> None:
    """Print the page, or end the script where an RST comes instead.

    `send` takes a packet that begins with `ip`; `receive` waits for the server's next segment.
    """
    ours, theirs, page, finished = random.randrange(SPACE), 0, b"", False

    def say(flags: str, data: bytes = b"") -> None:
        nonlocal ours
        send(ip / TCP(sport=port, dport=80, seq=ours, ack=theirs, flags=flags) / data)
        ours = (ours + len(data) + ("S" in flags) + ("F" in flags)) % SPACE

    print(f"SYN from {ip.src}, port {port}.")
    say("S")
    answer = receive()[TCP]
    if answer.flags != "SA":
        sys.exit(f"No SYN-ACK, but {answer.summary()}")
    theirs = (answer.seq + 1) % SPACE
    say("A")
    say("PA", b"GET /hello.txt HTTP/1.0\r\nHost: www.lab.test\r\n\r\n")
    while not finished:
        tcp = receive()[TCP]
        if tcp.flags.R:
            sys.exit(
                "RST from the server: it knows nothing of the connection any more. Our kernel has reset it."
            )
        if tcp.seq != theirs:
            continue  # what is not due will come again
        data, finished = tcp[Raw].load if Raw in tcp else b"", bool(tcp.flags.F)
        page, theirs = page + data, (theirs + len(data) + finished) % SPACE
        if data or finished:
            say("FA" if finished else "A")
    while receive()[TCP].ack != ours:
        pass
    print("SYN-ACK, ACK, GET, the page, FIN both ways; and no RST. The page:\n")
    print(page.partition(b"\r\n\r\n")[2].decode().strip())
