"""The DNS server's sockets, on the loopback interface and a port that the kernel chose."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.message
import dns.rcode
import pytest

from netlab.errors import MachineError
from netlab.services.dns import Authority
from netlab.services.dns_server import DnsServer, Limits
from netlab.topology.model import Record, Zone

ZONE = Zone(
    "lab.test",
    (
        Record("@", "SOA", "ns hostmaster 1 7200 900 1209600 60"),
        Record("@", "NS", "ns"),
        Record("www", "A", "10.0.0.80"),
        *(Record("large", "TXT", f'"{number:03} {"x" * 200}"') for number in range(250)),
    ),
)
PATIENCE = 10.0  # seconds: how long a test waits before it calls the server dead


class Running:
    """A server that serves in a thread, and the lines that it logged."""

    def __init__(self, server: DnsServer, log: list[str], host: str) -> None:
        self.endpoint = (host, server.port)
        self.log = log

    def connect(self) -> socket.socket:
        """Return a TCP connection to the server."""
        return socket.create_connection(self.endpoint, timeout=PATIENCE)

    def udp(self, message: bytes) -> bytes:
        """Send a datagram from a connected socket, which takes an answer from the address asked only."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(self.endpoint)
            sock.send(message)
            return sock.recv(65535)


Start = Callable[..., Running]


@contextmanager
def serving(address: str, host: str, limits: Limits | None) -> Iterator[Running]:
    """Serve the zone until the block ends; a server that does not stop fails the test."""
    log: list[str] = []
    server = DnsServer(Authority.from_zones([ZONE]), address, 0, log.append, limits=limits)
    server.bind()
    stop = threading.Event()
    thread = threading.Thread(target=server.serve, args=(stop.is_set,), daemon=True)
    thread.start()
    try:
        yield Running(server, log, host)
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.fixture
def running() -> Iterator[Running]:
    """Serve on 127.0.0.1 with the limits that a lab has."""
    with serving("127.0.0.1", "127.0.0.1", None) as server:
        yield server


def query(name: str = "www.lab.test.", rdtype: str = "A", number: int = 0x1234) -> bytes:
    """Return a query's bytes."""
    return dns.message.make_query(name, rdtype, id=number).to_wire()


def framed(message: bytes) -> bytes:
    """Return a message as TCP carries it."""
    return struct.pack("!H", len(message)) + message


def receive(sock: socket.socket) -> dns.message.Message:
    """Read one message from a TCP connection."""
    stream = sock.makefile("rb", buffering=0)

    def exactly(size: int) -> bytes:
        data = b""
        while len(data) < size:
            chunk = stream.read(size - len(data))
            assert chunk, "the server closed the connection"
            data += chunk
        return data

    return dns.message.from_wire(exactly(int.from_bytes(exactly(2), "big")))


def addresses(answer: dns.message.Message) -> list[str]:
    """Return the records of the first RRset."""
    return [str(rdata) for rdata in answer.answer[0]]


def test_udp_and_tcp_answer_the_same(running: Running) -> None:
    """Both transports give the answer, each with a log line that names transport and client."""
    over_udp = dns.message.from_wire(running.udp(query()))
    with running.connect() as sock:
        client = sock.getsockname()
        sock.sendall(framed(query()))
        over_tcp = receive(sock)
    assert addresses(over_udp) == addresses(over_tcp) == ["10.0.0.80"]
    assert over_udp == over_tcp
    assert len(running.log) == 2
    assert running.log[0].startswith("A www.lab.test. NOERROR 1 answer 46 bytes udp 127.0.0.1:")
    assert running.log[1] == f"A www.lab.test. NOERROR 1 answer 46 bytes tcp 127.0.0.1:{client[1]}"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "127.9.9.9"])
def test_wildcard_address_answers_from_the_address_asked(host: str) -> None:
    """Bound to 0.0.0.0, the answer's source is the query's destination, or the client's socket drops it."""
    with serving("0.0.0.0", host, None) as server:
        assert dns.message.from_wire(server.udp(query())).rcode() == dns.rcode.NOERROR
        with server.connect() as sock:
            sock.sendall(framed(query()))
            assert addresses(receive(sock)) == ["10.0.0.80"]


def test_two_hundred_queries_over_udp(running: Running) -> None:
    """Two hundred queries, twenty outstanding at a time, get two hundred answers, each its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(running.endpoint)
        for start in range(0, 200, 20):
            numbers = range(start, start + 20)
            for number in numbers:
                sock.send(query(number=number))
            assert sorted(dns.message.from_wire(sock.recv(512)).id for _ in numbers) == list(numbers)
    assert len(running.log) == 200


def test_pipelined_queries(running: Running) -> None:
    """Queries sent in one piece are all answered, in order, also after the client has ended its side."""
    with running.connect() as sock:
        sock.sendall(b"".join(framed(query(number=number)) for number in range(200)))
        sock.shutdown(socket.SHUT_WR)
        assert [receive(sock).id for _ in range(200)] == list(range(200))
        assert sock.recv(1) == b""


def test_split_writes(running: Running) -> None:
    """A query that comes byte by byte, its length included, is one query; others are served meanwhile."""
    with running.connect() as slow:
        slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in framed(query()):
            slow.sendall(bytes([byte]))
            assert running.udp(query(number=7))[:2] == b"\0\7"
        assert addresses(receive(slow)) == ["10.0.0.80"]


def test_truncated_over_udp_is_whole_over_tcp(running: Running) -> None:
    """A client that sees TC and asks again over TCP gets every record."""
    message = query("large.lab.test.", "TXT")
    assert dns.message.from_wire(running.udp(message)).flags & dns.flags.TC
    with running.connect() as sock:
        sock.sendall(framed(message))
        assert len(receive(sock).answer[0]) == 250


def test_client_that_does_not_read_blocks_no_other(running: Running) -> None:
    """Answers that find no room wait for their client alone, and come whole once it reads."""
    message = framed(query("large.lab.test.", "TXT"))
    with running.connect() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        wanted = 300  # some 16 MB: more than the server's socket buffer and this one hold
        slow.sendall(message * wanted)
        with running.connect() as sock:
            for _ in range(3):
                sock.sendall(framed(query()))
                assert addresses(receive(sock)) == ["10.0.0.80"]
        assert sum(" tcp " in line and "large" in line for line in running.log) < wanted
        slow.settimeout(PATIENCE)
        assert all(len(receive(slow).answer[0]) == 250 for _ in range(2))


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\0",
        b"\0\0",
        b"\xff\xff" + b"x" * 5000,
        b"GET / HTTP/1.1\r\n\r\n",
        framed(b"\xff" * 40),
        framed(b"\0" * 12),
    ],
    ids=["nothing", "half a length", "length 0", "much", "HTTP", "all ones", "all zeros"],
)
def test_garbage_is_survived(running: Running, garbage: bytes) -> None:
    """Whatever bytes come, over UDP and TCP, and however abruptly the client goes, the next is served."""
    with running.connect() as sock:
        sock.sendall(garbage)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.sendto(garbage, running.endpoint)
    assert running.udp(query())[:2] == b"\x12\x34"
    with running.connect() as sock:
        sock.sendall(framed(b"short") + framed(query()))
        assert addresses(receive(sock)) == ["10.0.0.80"]


def trickle(sock: socket.socket) -> None:
    """Send single bytes that make no whole message until the server has closed the connection."""
    sock.settimeout(0.05)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            sock.sendall(b"\xff")
            if sock.recv(1) == b"":
                return
        except ConnectionError:
            return
        except TimeoutError:
            continue
    pytest.fail("the server kept an idle connection")


def test_idle_connection_is_closed() -> None:
    """A client that sends nothing whole within the limit is closed, even if single bytes keep coming."""
    with serving("127.0.0.1", "127.0.0.1", Limits(idle=0.3)) as server, server.connect() as sock:
        began = time.monotonic()
        trickle(sock)
        assert time.monotonic() - began >= 0.25


def test_connection_limit_gives_way_to_the_new() -> None:
    """Beyond the limit the connection idle the longest is closed, and the new one served."""
    with serving("127.0.0.1", "127.0.0.1", Limits(connections=3)) as server:
        clients = []
        for _ in range(5):
            clients.append(server.connect())
            clients[-1].sendall(framed(query()))
            assert addresses(receive(clients[-1])) == ["10.0.0.80"]
        assert [client.recv(1) for client in clients[:2]] == [b"", b""]
        for client in clients[2:]:
            client.sendall(framed(query()))
            assert addresses(receive(client)) == ["10.0.0.80"]
        for client in clients:
            client.close()


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["udp", "tcp"])
def test_port_taken(kind: socket.SocketKind) -> None:
    """A port that another holds, for either transport, is one sentence that names it and the cure."""
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            other.listen()
        port = other.getsockname()[1]
        server = DnsServer(Authority.from_zones([ZONE]), "127.0.0.1", port)
        with pytest.raises(
            MachineError, match=f"port {port} of 127.0.0.1: Address already in use — stop what"
        ):
            server.bind()
        server.close()


def test_address_of_another_machine() -> None:
    """An address that this machine does not have is named, with what would do."""
    server = DnsServer(Authority.from_zones([ZONE]), "192.0.2.1", 0)
    with pytest.raises(
        MachineError, match=r"192\.0\.2\.1: Cannot assign requested address — the address must"
    ):
        server.bind()
    server.close()
    server.close()
