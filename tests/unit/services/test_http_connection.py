"""The bytes of an HTTP connection: RFC 9112's framing, and that no bytes can break it."""

from __future__ import annotations

import io
from http.client import HTTPResponse
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.services.http import BODY_LIMIT, HEAD_LIMIT, TARGET_LIMIT, Connection, MappingContent, Reply, Site

SITE = Site(MappingContent({"index.html": b"<h1>lab</h1>\n", "a.txt": b"0123456789"}))
GET = b"GET / HTTP/1.1\r\nHost: www.lab.test\r\n\r\n"
CLOSE = b"GET / HTTP/1.1\r\nHost: www.lab.test\r\nConnection: close\r\n\r\n"


class Stream:
    """What http.client reads a response from, in place of a socket."""

    def __init__(self, data: bytes) -> None:
        self.file = io.BytesIO(data)

    def makefile(self, mode: str) -> io.BytesIO:
        """Return the rest of the stream."""
        return io.BytesIO(self.file.read())


def converse(*pieces: bytes) -> tuple[list[Reply], bool]:
    """Hand in the pieces one by one, b"" being the end; return the replies, and whether it then closes."""
    connection = Connection(SITE)
    replies = []
    for piece in pieces:
        connection.receive(piece)
        while reply := connection.next_reply():
            replies.append(reply)
    return replies, connection.closing


def statuses(*pieces: bytes) -> list[int]:
    """Return the status of each reply."""
    return [int(reply.data.split(b" ")[1]) for reply in converse(*pieces)[0]]


def test_the_bytes_of_a_response() -> None:
    """The whole response, octet for octet: what a trace of the lab shows."""
    replies, closing = converse(GET)
    assert replies == [
        Reply(
            b"HTTP/1.1 200 OK\r\n"
            b"Server: netlab\r\n"
            b"Content-Type: text/html; charset=utf-8\r\n"
            b"Content-Length: 13\r\n"
            b"Accept-Ranges: bytes\r\n"
            b'ETag: "3fa4c044170410736a5c1baf4d2b1f97"\r\n'
            b"Repr-Digest: sha-256=:P6TARBcEEHNqXBuvTSsfl99qdGAFqP0e4N5yv49aaVs=:\r\n"
            b"\r\n"
            b"<h1>lab</h1>\n",
            '"GET /" 200 13',
        )
    ]
    assert not closing


def test_keep_alive_until_the_client_ends() -> None:
    """A connection persists (RFC 9112, 9.3) until the client's FIN between two requests."""
    assert statuses(GET, GET, GET) == [200, 200, 200]
    assert converse(GET, GET) == (converse(GET)[0] * 2, False)
    assert converse(GET, b"") == (converse(GET)[0], True)


def test_pipelined_requests_are_answered_in_order() -> None:
    """Several requests in one segment get as many responses in their order (RFC 9112, 9.3.2)."""
    assert statuses(GET + GET.replace(b"/ ", b"/no ") + GET.replace(b"/ ", b"/a.txt ")) == [200, 404, 200]


def test_replies_are_made_when_asked_for() -> None:
    """Of a pipeline, one response at a time is in memory: the next comes when the last is sent."""
    connection = Connection(SITE)
    connection.receive(GET * 3)
    assert connection.next_reply() is not None
    connection.receive(GET)
    assert [connection.next_reply() is not None for _ in range(4)] == [True, True, True, False]


def test_connection_close_is_obeyed() -> None:
    """After a request with Connection: close the response says so, and nothing more is answered (9.6)."""
    replies, closing = converse(CLOSE + GET, GET)
    assert len(replies) == 1
    assert b"\r\nConnection: close\r\n" in replies[0].data
    assert closing


def test_http_1_0_needs_no_host_and_closes() -> None:
    """An HTTP/1.0 client gets its page and the end of the connection (RFC 9112, 9.3)."""
    replies, closing = converse(b"GET / HTTP/1.0\r\n\r\n")
    assert replies[0].data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nConnection: close\r\n" in replies[0].data
    assert closing


def test_head_and_304_have_no_body() -> None:
    """Their next response follows the empty line at once (RFC 9112, 6.3)."""
    etag = converse(GET)[0][0].data.split(b"ETag: ")[1].split(b"\r\n")[0]
    conditional = GET.replace(b"\r\n\r\n", b"\r\nIf-None-Match: " + etag + b"\r\n\r\n")
    replies, closing = converse(GET.replace(b"GET", b"HEAD") + conditional + GET)
    assert [reply.data.endswith(b"\r\n\r\n") for reply in replies] == [True, True, False]
    assert b"\r\nContent-Length: 13\r\n" in replies[0].data
    assert not closing


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (BODY_LIMIT + 1), 413),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (BODY_LIMIT + 1), 413),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"HEAD / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET / HTTP/0.9\r\n\r\n", 505),
        (b"GET /" + b"a" * HEAD_LIMIT, 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * HEAD_LIMIT, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * HEAD_LIMIT + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0;" + b"a" * HEAD_LIMIT, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc", 400),
    ],
)
def test_what_cannot_be_framed_ends_the_connection(request_bytes: bytes, status: int) -> None:
    """One refusal with Connection: close, and nothing after it: the rest is not to be trusted (11.2)."""
    replies, closing = converse(request_bytes, b"" if status == 400 else GET)
    assert [int(reply.data.split(b" ")[1]) for reply in replies] == [status]
    assert b"\r\nConnection: close\r\n" in replies[0].data
    assert closing


@pytest.mark.parametrize("cut", [1, 4, 30])
def test_a_head_that_cannot_be_read_gets_no_content(cut: int) -> None:
    """Who sends HEAD expects none, whatever is wrong with the rest (RFC 9110, 9.3.2)."""
    junk = b"HEAD / HTTP/1.1\r\nHost : a\r\n\r\n"
    for before in (b"", b"\r\n", GET):
        replies, closing = converse(before + junk[:cut], junk[cut:])
        assert replies[-1].data.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert replies[-1].data.endswith(b"\r\n\r\n")
        assert (replies[-1].log, closing) == ('"HEAD -" 400 0', True)


def test_a_long_target_is_refused_and_the_connection_lives() -> None:
    """Between the limits of target and head the request is understood, so that the next one is answered."""
    assert statuses(b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * TARGET_LIMIT) + GET) == [414, 200]


def test_reasons_are_those_of_rfc_9110() -> None:
    """A trace does not depend on Python's version, whose names for some statuses have changed."""
    assert converse(b"GET /" + b"a" * HEAD_LIMIT)[0][0].data.startswith(b"HTTP/1.1 414 URI Too Long\r\n")


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 5\r\n\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n0\r\nTrailer: x\r\n\r\n",
    ],
)
def test_bodies_are_dropped(body: bytes) -> None:
    """A body is no part of the next request, whatever its framing (RFC 9112, 6)."""
    assert statuses(b"POST / HTTP/1.1\r\nHost: a\r\n" + body + GET) == [405, 200]
    assert statuses(b"GET / HTTP/1.1\r\nHost: a\r\n" + body + GET) == [200, 200]


def test_a_chunked_body_has_a_limit() -> None:
    """413 once BODY_LIMIT octets of content have come, though no length was announced."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    assert statuses(head + chunk * 16 + b"0\r\n\r\n" + GET) == [405, 200]
    assert statuses(head, *[chunk] * 17) == [413]


def test_two_framings_end_the_connection() -> None:
    """Content-Length beside Transfer-Encoding is answered by the latter, then closed (RFC 9112, 6.1)."""
    request = b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert converse(request + GET)[1]
    assert statuses(request + GET) == [200]


def test_expect_100_continue() -> None:
    """A client that waits is told to go on; its body is dropped, then it is answered (RFC 9110, 10.1.1)."""
    head = b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    assert converse(head)[0] == [Reply(b"HTTP/1.1 100 Continue\r\n\r\n", "")]
    assert statuses(head, b"hello", GET) == [100, 200, 200]


def test_expectation_refused_or_without_a_body() -> None:
    """A refusal comes instead of 100, and closes; without a body, or in HTTP/1.0, there is no 100."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    assert statuses(head, b"hello") == [405]
    assert converse(head)[1]
    assert statuses(GET.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")) == [200]
    assert statuses(head.replace(b"POST", b"GET").replace(b"1.1", b"1.0"), b"hello") == [200]


def test_upgrade_and_connect_are_declined() -> None:
    """A wish to switch protocols is passed over, and the connection goes on (RFC 9110, 7.8 and 9.3.6)."""
    upgrade = GET.replace(b"\r\n\r\n", b"\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")
    connect = b"CONNECT www.lab.test:80 HTTP/1.1\r\nHost: www.lab.test:80\r\n\r\n"
    assert statuses(upgrade + connect + GET) == [200, 405, 200]


def test_empty_lines_before_a_request_are_ignored() -> None:
    """CRLF between requests, which some clients send, is no request; LF neither (RFC 9112, 2.2)."""
    assert statuses(b"\r\n" + GET + b"\r\n", b"\r", b"\n", GET, b"") == [200, 200]
    assert statuses(b"\n\r\n\n" + GET + b"\n", GET, b"") == [200, 200]


def test_the_log_line() -> None:
    """One line a request: what was asked for, status, octets of body sent; a quote cannot end the field."""
    long = b'GET /"%b HTTP/1.1\r\nHost: a\r\n\r\n' % (b"a" * 300)
    lines = [reply.log for reply in converse(GET + GET.replace(b"GET", b"HEAD") + long + b"junk\r\n\r\n")[0]]
    assert lines == ['"GET /" 200 13', '"HEAD /" 200 0', f'"GET /%22{"a" * 195}…" 404 43', '"-" 400 77']


PARTS = st.sampled_from(
    [
        GET,
        CLOSE,
        GET.replace(b"GET", b"HEAD"),
        b"GET /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=2-5\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        b"\r\n",
        b"\r",
        b"\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"GET / HTTP/1.1\n\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 4\r\n",
        b"HEAD / HTTP/2.0\r\n",
        b"5\r\n",
        b"X: " + b"y" * HEAD_LIMIT,
        b"GET /" + b"z" * (HEAD_LIMIT - 30),
        b" ",
    ]
)
STREAMS = st.lists(PARTS | st.binary(max_size=20), max_size=5).map(b"".join)


@given(STREAMS | st.binary())
@settings(deadline=None)
def test_any_bytes_get_well_formed_responses(data: bytes) -> None:
    """Whatever arrives, the engine raises nothing, ends with the stream, and says what a client can read."""
    replies, closing = converse(data, b"")
    assert closing
    for reply in replies:
        assert reply.log.isprintable()
        if not reply.log:
            assert reply.data == b"HTTP/1.1 100 Continue\r\n\r\n"
            continue
        response = HTTPResponse(Stream(reply.data), method="HEAD" if '"HEAD ' in reply.log else "GET")
        response.begin()
        head, _, body = reply.data.partition(b"\r\n\r\n")
        assert response.read() == body
        assert reply.log.endswith(f" {response.status} {len(body)}")
        assert head.startswith(b"HTTP/1.1 ")


@given(STREAMS, st.data())
@settings(deadline=None)
def test_segments_do_not_matter(data: bytes, draw: st.DataObject) -> None:
    """However TCP cuts the client's bytes, it gets the same replies."""
    cuts = sorted(draw.draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=8)))
    bounds = [0, *(cut for cut in cuts if cut < len(data)), len(data)]
    pieces = [data[start:end] for start, end in pairwise(bounds) if start < end]
    assert converse(*pieces, b"") == converse(*([data] if data else []), b"")


@given(STREAMS)
@settings(deadline=None, max_examples=25)
def test_one_octet_at_a_time(data: bytes) -> None:
    """The finest cut of all gives the same replies."""
    assert converse(*(data[i : i + 1] for i in range(len(data))), b"") == converse(
        *([data] if data else []), b""
    )
