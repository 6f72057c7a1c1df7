"""The HTTP server on the loopback, with clients that are not ours: http.client, curl, and bare sockets."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import struct
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest

from netlab.errors import MachineError
from netlab.services import http_server
from netlab.services.http import Resource, Site
from netlab.services.http_server import DirectoryContent, HttpServer

PAGE = bytes(range(256)) * 600  # 150 KiB
GET = b"GET / HTTP/1.1\r\nHost: www.lab.test\r\n\r\n"


@dataclass
class Running:
    """A served directory: where it is, and what the server logged."""

    port: int
    content: Path
    lines: list[str] = field(default_factory=list)

    def connect(self, *, receive_buffer: int = 0) -> socket.socket:
        """Open a connection as over Ethernet; with a small receive buffer the client soon takes no more."""
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1460)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(20)
        sock.connect(("127.0.0.1", self.port))
        return sock

    def fetch(self, path: str = "/", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        """Fetch over a connection of its own."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(client):
            client.request("GET", path, headers=headers)
            response = client.getresponse()
            return response, response.read()


@contextlib.contextmanager
def serve(server: HttpServer) -> Iterator[None]:
    """Run the bound server in a thread, and see it end."""
    done = threading.Event()
    thread = threading.Thread(target=server.serve, args=(done.is_set,))
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Running]:
    """Serve a directory with a page of 150 KiB."""
    content = tmp_path / "www"
    content.mkdir()
    (content / "index.html").write_bytes(PAGE)
    running = Running(0, content)
    server = HttpServer(Site(DirectoryContent(content)), "127.0.0.1", 0, running.lines.append)
    server.bind()
    running.port = server.port
    with serve(server):
        yield running


def read_all(sock: socket.socket) -> bytes:
    """Read to the server's FIN."""
    return b"".join(iter(lambda: sock.recv(1 << 16), b""))


def read_body(sock: socket.socket, size: int) -> bytes:
    """Read a response's head and return its body of `size` octets."""
    stream = sock.makefile("rb")
    while stream.readline() not in (b"\r\n", b""):
        pass
    return stream.read(size)


def test_http_client_gets_the_file(site: Running) -> None:
    """Python's client reads the whole page, and the digest proves it; one line is logged."""
    response, body = site.fetch()
    assert (response.status, body) == (200, PAGE)
    assert response.headers["Repr-Digest"] == f"sha-256=:{b64encode(sha256(PAGE).digest()).decode()}:"
    assert site.lines == [f'127.0.0.1 "GET /" 200 {len(PAGE)}']


def test_a_connection_is_kept(site: Running) -> None:
    """Several requests, also a HEAD and a POST with a body, share one connection of http.client."""
    client = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    with contextlib.closing(client):
        sockets = set()
        for method, body, status in (("GET", None, 200), ("HEAD", None, 200), ("POST", b"x" * 9999, 405)):
            client.request(method, "/", body=body)
            sockets.add(client.sock)
            response = client.getresponse()
            response.read()
            assert response.status == status
        assert len(sockets) == 1


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl(site: Running, tmp_path: Path) -> None:
    """The real client follows a redirect, resumes a download, and goes on after 100 Continue."""
    (site.content / "docs").mkdir()
    (site.content / "docs" / "index.html").write_text("docs\n")
    url = f"http://127.0.0.1:{site.port}"

    def curl(*arguments: str) -> str:
        command = ["curl", "--silent", "--show-error", "--max-time", "20", "--noproxy", "*", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert curl("--location", "--write-out", "%{num_redirects}", f"{url}/docs") == "docs\n1"
    part = tmp_path / "part"
    part.write_bytes(PAGE[:1000])
    assert curl("--continue-at", "-", "--output", str(part), "--write-out", "%{http_code}", url) == "206"
    assert part.read_bytes() == PAGE
    put = (
        "--request",
        "GET",
        "--data",
        "x" * 2000,
        "--header",
        "Expect: 100-continue",
        "--verbose",
        "--output",
        "-",
    )
    assert curl(*put, "--write-out", "%{http_code}", f"{url}/docs/") == "docs\n200"


def test_a_slow_client_blocks_no_other(site: Running) -> None:
    """A client that sends half a request, and one that reads nothing of 75 MiB, leave the others unharmed."""
    with site.connect() as half, site.connect(receive_buffer=4096) as deaf:
        half.sendall(GET[:20])
        deaf.sendall(GET * 500)
        for _ in range(3):
            assert site.fetch()[1] == PAGE
        half.sendall(GET[20:])
        assert half.recv(15) == b"HTTP/1.1 200 OK"
        assert len(site.lines) < 100  # the deaf one's responses wait until it reads, and are not made before


def test_partial_writes(site: Running) -> None:
    """A body far beyond any socket buffer arrives whole, at a client with a small window."""
    big = PAGE * 100
    (site.content / "big.bin").write_bytes(big)
    with site.connect(receive_buffer=8192) as sock:
        sock.sendall(b"GET /big.bin HTTP/1.0\r\n\r\n")
        assert sha256(read_all(sock).partition(b"\r\n\r\n")[2]).digest() == sha256(big).digest()


def test_many_connections(site: Running) -> None:
    """More clients at once than the server takes: those beyond the limit wait for a place, and get it."""
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(site.connect()) for _ in range(http_server.CONNECTION_LIMIT + 20)]
        request = b"GET /nothing HTTP/1.0\r\n\r\n"
        for sock in socks:
            sock.sendall(request)
        for sock in socks:
            assert read_all(sock).startswith(b"HTTP/1.1 404 ")
            sock.close()


def test_pipelined_requests_and_half_close(site: Running) -> None:
    """A client may send requests and FIN, then read: all are answered, then comes the server's FIN."""
    (site.content / "a.txt").write_text("0123456789")
    with site.connect() as sock:
        sock.sendall(GET.replace(b"/ ", b"/a.txt ") * 40)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock).count(b"\r\n\r\n0123456789") == 40


def test_a_close_by_the_server_is_no_reset(site: Running) -> None:
    """Data after the last request is dropped: the client sees the response and a FIN, never an RST."""
    with site.connect() as sock:
        sock.sendall(b"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + b"x" * 300_000)
        assert read_all(sock).endswith(b"Nothing stands at this path.\n")
        sock.sendall(b"more")
        sock.shutdown(socket.SHUT_WR)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_an_idle_connection_ends(site: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the idle limit the server closes with a FIN; so it does with half a request."""
    monkeypatch.setattr(http_server, "IDLE_LIMIT", 0.3)
    with site.connect() as silent, site.connect() as half:
        half.sendall(GET[:20])
        assert (read_all(silent), read_all(half)) == (b"", b"")


def test_a_client_that_never_closes_is_let_go(site: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its FIN the server waits a while for the client's, then forgets the connection."""
    monkeypatch.setattr(http_server, "LINGER_LIMIT", 0.3)
    monkeypatch.setattr(http_server, "CONNECTION_LIMIT", 1)
    with site.connect() as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert read_all(sock).endswith(PAGE)
        assert site.fetch()[0].status == 200  # it had to wait for the one place there is


def test_a_reset_harms_no_one(site: Running) -> None:
    """An RST in the midst of a response costs that connection alone."""
    for _ in range(5):
        with site.connect(receive_buffer=4096) as sock:
            sock.sendall(GET * 100)
            sock.recv(100)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert site.fetch()[1] == PAGE


def test_files_that_cannot_be_read(site: Running, tmp_path: Path) -> None:
    """What is no regular file within the directory is 404; the server lives on."""
    (tmp_path / "secret.txt").write_text("secret")
    (site.content / "out.txt").symlink_to(tmp_path / "secret.txt")
    (site.content / "loop.txt").symlink_to("loop.txt")
    (site.content / "in.html").symlink_to("index.html")
    (site.content / "plain").mkdir()
    for path in ("/out.txt", "/loop.txt", "/plain", "/plain/", "/index.html/x", "/" + "n" * 300, "/a\\b"):
        assert site.fetch(path)[0].status == 404, path
    assert site.fetch("/in.html")[1] == PAGE


def test_an_edit_shows_at_once(site: Running) -> None:
    """Content is read anew: after an edit the old entity tag no longer matches."""
    etag = site.fetch()[0].headers["ETag"]
    assert site.fetch(**{"If-None-Match": etag})[0].status == 304
    (site.content / "index.html").write_bytes(PAGE[::-1])
    assert site.fetch(**{"If-None-Match": etag})[1] == PAGE[::-1]


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (PermissionError(13, "Permission denied"), "500 81 (Permission denied)"),
        (RuntimeError("odd"), "RuntimeError: odd"),
    ],
)
def test_broken_content_kills_no_server(error: Exception, ending: str) -> None:
    """A read error is 500 and a log line; even a defect costs one connection, not the server."""

    class Broken:
        def read(self, path: str) -> Resource | None:
            raise error

    lines: list[str] = []
    server = HttpServer(Site(Broken()), "127.0.0.1", 0, lines.append)
    server.bind()
    with serve(server):
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", server.port), 20) as sock:
                sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
                read_all(sock)
    assert [line.endswith(ending) for line in lines] == [True, True]


def queued(port: int, peer: int) -> int:
    """Return how many octets of a response the kernel holds: unacknowledged, or unread by the client."""
    ends = {
        f"{port:04X} {peer:04X}": 0,
        f"{peer:04X} {port:04X}": 1,
    }  # tx_queue of one, rx_queue of the other
    total = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        column = ends.get(f"{local[-4:]} {remote[-4:]}")
        total += int(queues.split(":")[column], 16) if column is not None else 0
    return total


def test_the_whole_response_goes_in_one_send(site: Running) -> None:
    """The kernel takes head and 150 KiB though the client reads nothing: one send, whatever the window."""
    with site.connect(receive_buffer=4096) as sock:
        sock.sendall(GET)
        deadline = time.monotonic() + 10
        while queued(site.port, sock.getsockname()[1]) < len(PAGE) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert queued(site.port, sock.getsockname()[1]) >= len(PAGE)
        assert read_body(sock, len(PAGE)) == PAGE


def test_a_taken_port_is_a_sentence(site: Running) -> None:
    """MachineError names the port and the cure."""
    with pytest.raises(MachineError, match=rf"TCP port {site.port} of 127.0.0.1 is taken — "):
        HttpServer(Site(DirectoryContent(site.content)), "127.0.0.1", site.port).bind()


def test_a_foreign_address_is_a_sentence(site: Running) -> None:
    """An address that no interface has is told from a taken port."""
    with pytest.raises(MachineError, match="no interface has this address"):
        HttpServer(Site(DirectoryContent(site.content)), "192.0.2.1", 0).bind()
