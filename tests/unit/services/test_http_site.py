"""Which response a request gets: RFC 9110's semantics over a small site."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.services.http import (
    TARGET_LIMIT,
    MappingContent,
    Resource,
    Response,
    Site,
    media_type,
    parse_target,
)
from netlab.services.ranges import byte_range

PAGE = b"<h1>the lab</h1>\n" * 7
SITE = Site(
    MappingContent(
        {
            "index.html": PAGE,
            "docs/index.html": b"docs",
            "docs/a b.txt": b"spaced",
            "empty.txt": b"",
            "data.unheard-of": b"\x00\x01",
        }
    )
)
ETAG = Resource(PAGE, "").etag


def get(target: str = "/", method: str = "GET", **headers: str) -> Response:
    """Ask the site; `if_none_match` stands for the field If-None-Match."""
    return SITE.respond(method, target, {name.replace("_", "-"): value for name, value in headers.items()})


def field(response: Response, name: str) -> str | None:
    """Return the value of the response's field of that exact name; it has it at most once."""
    values = [value for key, value in response.headers if key == name]
    assert len(values) <= 1
    return values[0] if values else None


def test_a_page_comes_whole_with_its_description() -> None:
    """200 carries the body, its length, type, entity tag and digest (RFC 9110, 8; RFC 9530, 3)."""
    assert get() == Response(
        200,
        (
            ("Server", "netlab"),
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(PAGE))),
            ("Accept-Ranges", "bytes"),
            ("ETag", f'"{sha256(PAGE).hexdigest()[:32]}"'),
            ("Repr-Digest", f"sha-256=:{b64encode(sha256(PAGE).digest()).decode()}:"),
        ),
        PAGE,
    )


@pytest.mark.parametrize("target", ["/", "/docs", "/nothing", "/docs/", "/%"])
def test_head_is_get_without_the_body(target: str) -> None:
    """HEAD has the fields of GET, Content-Length too, and no body (RFC 9110, 9.3.2)."""
    whole, head = get(target), get(target, "HEAD")
    assert (head.status, head.headers, head.body) == (whole.status, whole.headers, b"")


def test_nothing_varies_with_the_clock_or_the_clone() -> None:
    """There is neither Date (RFC 9110, 6.6.1: no clock) nor Last-Modified, whatever the status."""
    for response in (get(), get("/nothing"), get(range="bytes=0-1"), get(if_none_match=ETAG)):
        assert not {"date", "last-modified"} & {name.lower() for name, _ in response.headers}


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/index.html", 200),
        ("/?q=1", 200),
        ("http://www.lab.test/", 200),
        ("HTTP://www.lab.test", 200),
        ("http://www.lab.test?q", 200),
        ("http://", 400),
        ("http://:80/", 400),
        ("http://user@www.lab.test/", 400),
        ("http://www.lab.test:x/", 400),
        ("/docs/a%20b.txt", 200),
        ("/docs/./x/../a%20b.txt", 200),
        ("//docs//a%20b.txt", 200),
        ("/docs/%2e%2e/", 200),
        ("/docs/..", 200),
        ("/nothing", 404),
        ("/index.html/", 404),
        ("/docs/a+b.txt", 404),
        ("/..", 400),
        ("/../index.html", 400),
        ("/docs/../../etc/passwd", 400),
        ("/%2e%2E/x", 400),
        ("/docs%2Fa%20b.txt", 400),
        ("/a%00b", 400),
        ("/%ff", 400),
        ("/%zz", 400),
        ("/%2", 400),
        ("/#top", 400),
        ("/a b", 400),
        ("/é", 400),
        ("*", 400),
        ("www.lab.test:80", 400),
        ("https://www.lab.test/", 400),
        ("", 400),
    ],
)
def test_targets(target: str, status: int) -> None:
    """Origin- and absolute-form are taken, dot segments resolved, ways out refused (RFC 9112, 3.2)."""
    assert get(target).status == status


@given(st.lists(st.sampled_from(["..", ".", "", "a", "%2e%2e", "%2E.", "b%20c", "%2f", "%00"])))
def test_no_target_leaves_the_root(segments: list[str]) -> None:
    """A target gives a relative path without dot segments, or none at all."""
    try:
        path, _ = parse_target("/" + "/".join(segments))
    except ValueError:
        return
    assert not path.startswith("/")
    assert not {"..", "."} & set(path.split("/"))
    assert "\0" not in path


def test_a_directory_without_its_slash_is_redirected() -> None:
    """301 leads to the same place with a slash, the query kept, so that relative links hold."""
    response = get("/x/..//docs?q=%20")
    assert (response.status, field(response, "Location")) == (301, "/docs/?q=%20")
    assert field(response, "Content-Length") == str(len(response.body))


def test_a_redirect_stays_on_the_site() -> None:
    """//host in a target never becomes a reference to another host."""
    site = Site(MappingContent({"evil.test/a\n/index.html": b""}))
    response = site.respond("GET", "//evil.test/a%0a", {})
    assert (response.status, field(response, "Location")) == (301, "/evil.test/a%0A/")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"])
def test_known_methods_are_not_allowed(method: str) -> None:
    """405 names the methods that are (RFC 9110, 15.5.6)."""
    response = get(method=method)
    assert (response.status, field(response, "Allow")) == (405, "GET, HEAD")


@pytest.mark.parametrize("method", ["get", "BREW", "GETS"])
def test_unknown_methods_are_not_implemented(method: str) -> None:
    """501, and names are case-sensitive (RFC 9110, 9.1 and 15.6.2)."""
    assert get(method=method).status == 501


def test_a_target_beyond_the_limit() -> None:
    """The last length that is taken is TARGET_LIMIT, the next is 414."""
    assert get("/" + "a" * (TARGET_LIMIT - 1)).status == 404
    assert get("/" + "a" * TARGET_LIMIT).status == 414


@pytest.mark.parametrize(
    ("host", "status"),
    [("www.lab.test", 200), ("[::1]:80", 200), ("", 200), ("a b", 400), ("a/b", 400), ("a, b", 400)],
)
def test_host_is_a_host(host: str, status: int) -> None:
    """A Host that is no uri-host with an optional port is 400 (RFC 9112, 3.2)."""
    assert get(host=host).status == status


def test_an_unknown_expectation_fails() -> None:
    """417 for any other than 100-continue, in any case of letters (RFC 9110, 10.1.1)."""
    assert get(expect="100-Continue").status == 200
    assert get(expect="tea").status == 417


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"if_none_match": ETAG}, 304),
        ({"if_none_match": f'"x", W/{ETAG}'}, 304),
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": '"x"'}, 200),
        ({"if_none_match": ETAG, "range": "bytes=0-1"}, 304),
        ({"if_match": ETAG}, 200),
        ({"if_match": "*"}, 200),
        ({"if_match": f"W/{ETAG}"}, 412),
        ({"if_match": '"x"'}, 412),
        ({"if_match": " *\t"}, 200),
        ({"if_match": "\xa0*"}, 412),
        ({"if_match": f"{ETAG}3"}, 412),
        ({"if_match": f',"x" , ,{ETAG},'}, 200),
        ({"if_none_match": f'"x" {ETAG}'}, 200),
        ({"if_modified_since": "Fri, 31 Dec 2100 23:59:59 GMT"}, 200),
        ({"if_unmodified_since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 200),
        ({"range": "bytes=0-1", "if_range": ETAG}, 206),
        ({"range": "bytes=0-1", "if_range": f"W/{ETAG}"}, 200),
        ({"range": "bytes=0-1", "if_range": "Fri, 31 Dec 2100 23:59:59 GMT"}, 200),
        ({"range": "bytes=9999-", "if_range": '"x"'}, 200),
    ],
)
def test_conditions(fields: dict[str, str], status: int) -> None:
    """Entity tags decide; dates are passed over, since nothing here has one (RFC 9110, 13.1 and 13.2.2)."""
    response = get(**fields)
    assert response.status == status
    assert field(response, "ETag") == ETAG
    if status == 304:
        assert response.body == b""
        assert field(response, "Content-Length") is None


@pytest.mark.parametrize(
    ("value", "positions"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=2-4", range(2, 5)),
        ("Bytes= 2-4 ", range(2, 5)),
        ("bytes=8-", range(8, 10)),
        ("bytes=8-99", range(8, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-99", range(10)),
        ("bytes=0-" + "9" * 5000, range(10)),
        ("bytes=" + "0" * 5000 + "2-4", range(2, 5)),
        ("bytes=10-", range(0)),
        ("bytes=-0", range(0)),
        ("bytes=" + "9" * 5000 + "-", range(0)),
        ("", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=4-2", None),
        ("bytes=a-b", None),
        ("bytes=0-1,4-5", None),
        ("lines=0-1", None),
        ("bytes=٣-٤", None),
    ],
)
def test_byte_range(value: str, positions: range | None) -> None:
    """The examples of RFC 9110, 14.1.2, and what is to be ignored (14.2), on ten octets."""
    assert byte_range(value, 10) == positions


@given(st.binary(), st.integers(0, 300), st.integers(0, 300) | st.none())
def test_a_range_is_a_slice(body: bytes, first: int, last: int | None) -> None:
    """206 is body[first:last+1] with its Content-Range and the whole's digest; 416 where that is empty."""
    site = Site(MappingContent({"x": body}))
    response = site.respond("GET", "/x", {"range": f"bytes={first}-{'' if last is None else last}"})
    part = body[first:] if last is None else body[first : last + 1]
    assert field(response, "Content-Length") == str(len(response.body))
    if last is not None and last < first:
        assert (response.status, response.body) == (200, body)
    elif first >= len(body):
        assert (response.status, field(response, "Content-Range")) == (416, f"bytes */{len(body)}")
    else:
        assert (response.status, response.body) == (206, part)
        assert field(response, "Content-Range") == f"bytes {first}-{first + len(part) - 1}/{len(body)}"
        assert field(response, "Repr-Digest") == f"sha-256=:{b64encode(sha256(body).digest()).decode()}:"


@given(st.binary(min_size=1, max_size=200), st.sets(st.integers(1, 199)))
def test_consecutive_ranges_make_the_whole(body: bytes, cuts: set[int]) -> None:
    """A client that fetches piece after piece ends up with what the server holds."""
    site = Site(MappingContent({"x": body}))
    starts = [0, *sorted(cut for cut in cuts if cut < len(body))]
    ends = [*(start - 1 for start in starts[1:]), ""]
    pieces = [
        site.respond("GET", "/x", {"range": f"bytes={start}-{end}"})
        for start, end in zip(starts, ends, strict=True)
    ]
    assert {piece.status for piece in pieces} == {206}
    assert b"".join(piece.body for piece in pieces) == body


@given(st.binary(min_size=1), st.integers(1, 300))
def test_a_suffix_is_the_end(body: bytes, length: int) -> None:
    """bytes=-N gives the last N octets, or all where there are fewer (RFC 9110, 14.1.2)."""
    response = Site(MappingContent({"x": body})).respond("GET", "/x", {"range": f"bytes=-{length}"})
    assert (response.status, response.body) == (206, body[-length:])


def test_range_is_for_get_alone() -> None:
    """HEAD ignores Range (RFC 9110, 14.2)."""
    assert get(method="HEAD", range="bytes=0-1").status == 200


def test_an_empty_body() -> None:
    """An empty file is 200 with length 0, also to a suffix range; any first position is unsatisfiable."""
    assert get("/empty.txt", range="bytes=-5").status == 200
    assert get("/empty.txt", range="bytes=0-").status == 416
    assert field(get("/empty.txt"), "Content-Length") == "0"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/index.html", "text/html; charset=utf-8"),
        ("LOGO.PNG", "image/png"),
        ("a.tar.gz", "application/octet-stream"),
        ("a.html/b", "application/octet-stream"),
        (".html", "application/octet-stream"),
        ("txt", "application/octet-stream"),
    ],
)
def test_media_types(path: str, expected: str) -> None:
    """The suffix of the last segment decides; the rest is octets."""
    assert media_type(path) == expected


@pytest.mark.parametrize(
    ("error", "note"),
    [(PermissionError(13, "Permission denied"), "Permission denied"), (MemoryError(), "MemoryError")],
)
def test_unreadable_content_is_the_servers_fault(error: Exception, note: str) -> None:
    """500 tells the client nothing of the machine; the note for the log does."""

    class Broken:
        def read(self, path: str) -> Resource | None:
            raise error

    response = Site(Broken()).respond("GET", "/", {})
    assert (response.status, response.note) == (500, note)
    assert note.encode() not in response.body
