"""Run in a client's node of a lab: loads a server, judges every answer, and prints one line of JSON.

    python flood.py udp|tcp|keep|close ADDRESS COUNT FLIGHT
        ->  {"right": N, "wrong": N, "lost": N, "seconds": S, "busy": SHARE}

udp    COUNT DNS queries over UDP, FLIGHT of them under way at a time, from eight sockets
tcp    the same over FLIGHT connections, one at a time in each
keep   COUNT GETs over FLIGHT connections that persist
close  COUNT GETs, each with a connection of its own, FLIGHT of them at a time

What is served is decided here: `record` and `page` say it for each number. An answer that takes longer than
PATIENCE, or that a connection ends before, is lost. SHARE is what this program took of one CPU: near 1 it is
the one that could not go faster, and the server might.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

NAMES = 500  # that there are; as many again there are not
PAGES = 50
PATIENCE = 15.0  # seconds
SOCKETS = 8
SUFFIX = b"\4load\4test\0"


def record(number: int) -> tuple[str, str]:
    """Return a name, without its zone load.test, and its address."""
    return f"h{number}", f"10.{number % 200}.{number // 200}.{number % 7}"


def page(number: int) -> tuple[str, bytes]:
    """Return a file's name and content, from nothing to 50 KiB."""
    return f"p{number}.txt", f"{number:04}".encode() * (number * 256)


def query(number: int) -> bytes:
    """Return a query for a record; every other one is for a name that there is not."""
    name = f"{'hn'[number % 2]}{number // 2 % NAMES}".encode()
    head = struct.pack("!6H", number & 0xFFFF, 0x0100, 1, 0, 0, 0)
    return head + bytes([len(name)]) + name + SUFFIX + b"\0\1\0\1"


def is_right(asked: bytes, answer: bytes) -> bool:
    """Say whether an answer has id, question and RCODE, and the address or the SOA's presence."""
    number = int(asked[14 : 12 + 1 + asked[12]])
    _, flags, *counts = struct.unpack_from("!6H", answer)
    echoed = answer[:2] == asked[:2] and answer[12 : len(asked)] == asked[12:]
    if asked[13:14] == b"n":
        return echoed and flags == 0x8503 and counts == [1, 0, 1, 0]
    address = socket.inet_aton(record(number)[1])
    return echoed and flags == 0x8500 and counts == [1, 1, 0, 0] and answer.endswith(address)


@dataclass
class Tally:
    """How the answers were; `numbers` are those still to be asked for."""

    numbers: Iterator[int]
    said: Counter[str] = field(default_factory=Counter)

    def judge(self, *, right: bool) -> None:
        """Count one answer."""
        self.said["right" if right else "wrong"] += 1


class Datagrams:
    """A UDP socket with queries under way."""

    def __init__(self, address: str, tally: Tally, flight: int) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect((address, 53))
        self.sock.setblocking(False)
        self.tally = tally
        self.under_way: dict[bytes, bytes] = {}
        for _ in range(flight):
            self._ask()

    def _ask(self) -> None:
        number = next(self.tally.numbers, None)
        if number is not None:
            message = query(number)
            self.under_way[message[:2]] = message
            self.sock.send(message)

    def take(self) -> bool:
        """Take the answers that are there, and ask as many more; False when none is under way."""
        while True:
            try:
                answer = self.sock.recv(65535)
            except BlockingIOError:
                return bool(self.under_way)
            asked = self.under_way.pop(answer[:2], None)
            self.tally.judge(right=asked is not None and is_right(asked, answer))
            self._ask()

    def left(self) -> int:
        """Return how many have no answer."""
        return len(self.under_way)


class Stream:
    """A TCP connection with one question under way at a time."""

    port = 53

    def __init__(self, address: str, tally: Tally) -> None:
        self.address = address
        self.tally = tally
        self.number: int | None = next(tally.numbers, None)
        self.came = bytearray()
        self.sock = self._connect()

    def _connect(self) -> socket.socket:
        sock = socket.create_connection((self.address, self.port), PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        if self.number is not None:
            sock.send(self.question(self.number))
        return sock

    def question(self, number: int) -> bytes:
        """Return what asks for a number."""
        message = query(number)
        return len(message).to_bytes(2, "big") + message

    def verdict(self, number: int) -> bool | None:
        """Return whether what came is right; None while it is not all there."""
        if len(self.came) < 2 or len(self.came) < 2 + int.from_bytes(self.came[:2], "big"):
            return None
        return is_right(query(number), bytes(self.came[2:]))

    def take(self) -> bool:
        """Take what is there, and ask for the next; False when none is under way."""
        if self.number is None:
            return False
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        self.came += data
        verdict = self.verdict(self.number)
        if verdict is None:
            return bool(data)
        self.tally.judge(right=verdict)
        self.came.clear()
        self.number = next(self.tally.numbers, None)
        if self.number is None:
            self.sock.close()
            return False
        self.next_question(self.number)
        return True

    def next_question(self, number: int) -> None:
        """Ask on the same connection."""
        self.sock.send(self.question(number))

    def left(self) -> int:
        """Return how many have no answer."""
        return int(self.number is not None)


class Persistent(Stream):
    """An HTTP connection that persists."""

    port = 80
    fields = b"Host: www.load.test\r\n"

    def question(self, number: int) -> bytes:
        """Return a GET."""
        return b"GET /%b HTTP/1.1\r\n%b\r\n" % (page(number % PAGES)[0].encode(), self.fields)

    def verdict(self, number: int) -> bool | None:
        """Compare status and body."""
        body = page(number % PAGES)[1]
        head, end, rest = bytes(self.came).partition(b"\r\n\r\n")
        if not end or len(rest) < len(body):
            return None
        sized = b"content-length: %d\r\n" % len(body) in head.lower() + b"\r\n"
        return sized and head.startswith(b"HTTP/1.1 200 ") and rest == body


class Closing(Persistent):
    """An HTTP connection for one request, and then another."""

    fields = b"Host: www.load.test\r\nConnection: close\r\n"

    def next_question(self, number: int) -> None:
        """Ask on a new connection."""
        self.sock.close()
        self.sock = self._connect()


def opened(kind: str, address: str, tally: Tally, flight: int) -> Iterator[Datagrams | Stream]:
    """Yield what asks."""
    if kind == "udp":
        for number in range(min(SOCKETS, flight)):
            yield Datagrams(address, tally, len(range(number, flight, SOCKETS)))
    else:
        made = {"tcp": Stream, "keep": Persistent, "close": Closing}[kind]
        yield from (made(address, tally) for _ in range(flight))


def flood(kind: str, address: str, count: int, flight: int) -> dict[str, float]:
    """Ask for everything once; return the tally."""
    tally = Tally(iter(range(count)))
    begin = last = time.perf_counter()
    worked = time.process_time()
    everyone = list(opened(kind, address, tally, flight))
    with selectors.DefaultSelector() as selector:
        watched = {each: each.sock for each in everyone}
        for each, sock in watched.items():
            selector.register(sock, selectors.EVENT_READ, each)
        while watched and (ready := selector.select(PATIENCE)):
            for key, _ in ready:
                goes_on = key.data.take()
                if not goes_on or key.data.sock is not key.fileobj:
                    selector.unregister(key.fileobj)
                    del watched[key.data]
                    if goes_on:
                        watched[key.data] = key.data.sock
                        selector.register(key.data.sock, selectors.EVENT_READ, key.data)
            last = time.perf_counter()
    worked = time.process_time() - worked
    lost = sum(each.left() for each in everyone) + sum(1 for _ in tally.numbers)
    said = {"right": tally.said["right"], "wrong": tally.said["wrong"], "lost": lost}
    return {**said, "seconds": last - begin, "busy": worked / (last - begin)}


if __name__ == "__main__":
    print(json.dumps(flood(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
