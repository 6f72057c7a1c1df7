"""Where the builtin HTTP server and nginx differ on purpose: each difference with its reason and a request.

A row excuses some parts of the responses, where a request and its two responses are what it is about.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from tests.system.differential.http_answers import Seen
from tests.system.differential.http_corpus import Asked, Request, ask, get, raw
from tests.system.differential.http_turns import Turn, turns

_ENDING = frozenset({"close", "stays", "count"})
_ONE_RANGE = re.compile(rb"bytes=[ \t]*([0-9]{1,18}-[0-9]{0,18}|-[0-9]{1,18})[ \t]*", re.IGNORECASE)
# RFC 9112, sections 3 and 5, as this server takes them; a Host of RFC 3986 without a user.
_START = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e]+( [\x21-\x7e]+)?")
_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")
_HOST = re.compile(rb"([A-Za-z0-9_.~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?")
_EMPTY_LABEL = re.compile(rb"^\.*$|\.\.")
_BACKWARDS = re.compile(rb"bytes=[ \t]*([0-9]+)-([0-9]+)[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Difference:
    """One row: where `applies` holds of a turn, the servers may differ in `parts`; `example` shows it."""

    reason: str
    parts: frozenset[str]
    applies: Callable[[Turn], object]
    example: Asked


def excused(asked: Asked, builtin: Seen, real: Seen) -> frozenset[str]:
    """Return the parts in which the servers may differ."""
    found = [row.parts for turn in turns(asked, builtin, real) for row in DIFFERENCES if row.applies(turn)]
    return frozenset().union(*found)


# -- what rows are about ---------------------------------------------------------------------------------


def _keeps_after_an_error(turn: Turn) -> bool:
    ours, theirs = turn.statuses
    return (
        ours == theirs
        and ours in (400, 405, 412, 414, 501)
        and "close" not in turn.ours.fields.get("connection", "")
    )


def _is_partial(turn: Turn) -> bool:
    return turn.statuses == (206, 206)


def _is_not_allowed(turn: Turn) -> bool:
    return turn.statuses == (405, 405)


def _has_neither_method_nor_target(turn: Turn) -> bool:
    return turn.ours.status == 405 != turn.theirs.status >= 300


def _is_of_no_known_method(turn: Turn) -> bool:
    return turn.statuses[0] == 501 and turn.statuses[1] in (400, 404, 405)


def _has_no_index(turn: Turn) -> bool:
    return turn.statuses in ((404, 301), (404, 403))


def _encodes_a_slash(turn: Turn) -> bool:
    return turn.statuses[0] == 400 and b"%2f" in turn.target.lower()


def _is_not_utf_8(turn: Turn) -> bool:
    try:
        unquote_to_bytes(turn.target.partition(b"?")[0]).decode()
    except UnicodeDecodeError:
        return turn.statuses == (400, 404)
    return False


def _has_a_fragment(turn: Turn) -> bool:
    return turn.statuses[0] == 400 and b"#" in turn.target


def _has_a_bare_percent_sign_in_the_query(turn: Turn) -> bool:
    query = turn.target.partition(b"?")[2]
    return turn.statuses[0] == 400 and bool(re.search(rb"%(?![0-9A-Fa-f]{2})", query))


def _is_of_another_scheme(turn: Turn) -> bool:
    return turn.statuses[0] == 400 and bool(re.match(rb"(?!http:)[a-z]+:", turn.target, re.IGNORECASE))


def _asks_a_range_that_is_none(turn: Turn) -> bool:
    value = turn.fields.get(b"range")
    if value is None or turn.statuses[0] != 200:
        return False
    if turn.names.count(b"range") > 1:
        return True
    backwards = _BACKWARDS.fullmatch(value)
    return not _ONE_RANGE.fullmatch(value) or (
        backwards is not None and int(backwards[2]) < int(backwards[1])
    )


def _asks_beyond_any_number(turn: Turn) -> bool:
    return turn.statuses == (206, 416) and bool(re.search(rb"[0-9]{19}", turn.fields.get(b"range", b"")))


def _asks_a_range_of_nothing(turn: Turn) -> bool:
    return turn.statuses == (416, 200) and turn.ours.fields.get("content-range") == "bytes */0"


def _asks_a_range_with_head(turn: Turn) -> bool:
    return (
        turn.start.startswith(b"HEAD ")
        and b"range" in turn.fields
        and turn.statuses in ((200, 206), (200, 416))
    )


def _is_dated(turn: Turn) -> bool:
    return (
        turn.statuses[0] in (200, 206) and turn.statuses[1] == 412 and b"if-unmodified-since" in turn.fields
    )


def _expects_something_else(turn: Turn) -> bool:
    return turn.statuses[0] == 417


def _expects_without_a_body(turn: Turn) -> bool:
    return turn.theirs.status == 100 and not {b"content-length", b"transfer-encoding"} & turn.fields.keys()


def _waits_in_vain(turn: Turn) -> bool:
    return b"expect" in turn.fields and turn.ours.status >= 400 and b"content-length" in turn.fields


def _names_a_strange_host(turn: Turn) -> bool:
    host = turn.fields.get(b"host")
    return host is not None and turn.statuses[0] == 400 and not _HOST.fullmatch(host)


def _repeats_a_condition(turn: Turn) -> bool:
    conditions = [name for name in turn.names if name.startswith(b"if-")]
    return turn.statuses[1] == 400 and len(conditions) > len(set(conditions))


def _names_no_host(turn: Turn) -> bool:
    return turn.statuses[1] == 400 and _EMPTY_LABEL.search(turn.fields.get(b"host", b"x"))


def _has_one_length_twice(turn: Turn) -> bool:
    return turn.statuses[1] == 400 and (
        turn.names.count(b"content-length") == 2 or b"," in turn.fields.get(b"content-length", b"")
    )


def _has_two_framings(turn: Turn) -> bool:
    return turn.statuses == (200, 400) and {b"content-length", b"transfer-encoding"} <= turn.fields.keys()


def _is_of_no_known_version(turn: Turn) -> bool:
    return turn.statuses[0] in (400, 505) and not turn.start.endswith((b" HTTP/1.1", b" HTTP/1.0"))


def _has_a_large_head(turn: Turn) -> bool:
    size = len(turn.start) + sum(len(name) + len(value) for name, value in turn.fields.items())
    return size > 8000 and turn.statuses in ((431, 400), (200, 400))


def _asks_to_stay_in_http_1_0(turn: Turn) -> bool:
    return turn.start.endswith(b" HTTP/1.0") and b"keep-alive" in turn.fields.get(b"connection", b"").lower()


def _has_octets_out_of_place(turn: Turn) -> bool:
    well = _START.fullmatch(turn.start) and all(map(_LINE.fullmatch, turn.lines))
    return turn.ours.status == 400 and turn.closes and not well


def _folds_a_line(turn: Turn) -> bool:
    return turn.theirs.status == 400 and any(line.startswith((b" ", b"\t")) for line in turn.lines)


def _pads_with_tabs(turn: Turn) -> bool:
    values = [line.partition(b":")[2].strip(b" ") for line in turn.lines]
    return any(value.startswith(b"\t") or value.endswith(b"\t") for value in values)


def _wants_both(turn: Turn) -> bool:
    wanted = b",".join(line.lower() for line in turn.lines if line.lower().startswith(b"connection:"))
    return b"close" in wanted and b"keep-alive" in wanted


def _row(reason: str, parts: str, applies: Callable[[Turn], object], example: Asked) -> Difference:
    found = set(parts.split())
    return Difference(reason, frozenset(found | _ENDING if "ending" in found else found), applies, example)


DIFFERENCES = (
    _row(
        "a connection ends only where the next request cannot be found any more (RFC 9112, section 9.6); "
        "nginx ends it after more errors",
        "ending",
        _keeps_after_an_error,
        get("/.."),
    ),
    _row(
        "a part of the content says Accept-Ranges as the whole does; nginx leaves it out there",
        "accept-ranges",
        _is_partial,
        get("/hello.txt", "Range: bytes=0-0"),
    ),
    _row(
        "nginx leaves out Allow, which RFC 9110, section 15.5.6, asks for",
        "allow",
        _is_not_allowed,
        get(method="POST"),
    ),
    _row(
        "a method that cannot be had is refused before the target is looked at; in nginx it is the other "
        "way round",
        "allow status ending",
        _has_neither_method_nor_target,
        get("/nothing", method="POST"),
    ),
    _row(
        "a method that is not known is 501 (RFC 9110, section 9.1); nginx does not allow it, or what it is "
        "written with",
        "status ending",
        _is_of_no_known_method,
        get(method="BREW"),
    ),
    _row(
        "a directory without index.html is nothing here; nginx tells that it is there",
        "status ending",
        _has_no_index,
        get("/bare/"),
    ),
    _row(
        "an encoded slash is no separator (RFC 3986, section 2.2), and no name has one; nginx decodes first",
        "status ending",
        _encodes_a_slash,
        get("/docs%2Findex.html"),
    ),
    _row(
        "names are UTF-8 here; nginx looks for any octets", "status ending", _is_not_utf_8, get("/%FCber.txt")
    ),
    _row(
        "a target has no fragment (RFC 9112, section 3.2); nginx cuts it off",
        "status ending",
        _has_a_fragment,
        get("/hello.txt#x"),
    ),
    _row(
        "% begins an encoded octet in the query as well (RFC 3986, section 2.1); nginx reads only the path",
        "status ending",
        _has_a_bare_percent_sign_in_the_query,
        get("/?c=%zz"),
    ),
    _row(
        "this server stands for no other scheme than http (RFC 9110, section 7.4); nginx does not look at it",
        "status ending",
        _is_of_another_scheme,
        get("https://www.lab.test/hello.txt"),
    ),
    _row(
        "several ranges, and what is no range, are passed over (RFC 9110, section 14.2, allows both); nginx "
        "sends the former in parts, and refuses the latter",
        "status content-range content-length content-type body ending etag accept-ranges",
        _asks_a_range_that_is_none,
        get("/hello.txt", "Range: bytes=0-1,3-4"),
    ),
    _row(
        "a position of any number of digits is one, beyond the end; nginx refuses what is over 64 bits",
        "status ending",
        _asks_beyond_any_number,
        get("/hello.txt", "Range: bytes=0-99999999999999999999"),
    ),
    _row(
        "of nothing no range can be satisfied (RFC 9110, section 14.1.1); nginx passes over Range there",
        "status ending",
        _asks_a_range_of_nothing,
        get("/empty.txt", "Range: bytes=0-0"),
    ),
    _row(
        "Range is for GET alone (RFC 9110, section 14.2); nginx heeds it in HEAD",
        "status ending",
        _asks_a_range_with_head,
        get("/hello.txt", "Range: bytes=0-0", method="HEAD"),
    ),
    _row(
        "nothing has a date here, and a condition on one is passed over (RFC 9110, section 13.1.4)",
        "status ending",
        _is_dated,
        get("/hello.txt", "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT"),
    ),
    _row(
        "an unknown expectation is refused (RFC 9110, section 10.1.1); nginx passes over it",
        "status ending",
        _expects_something_else,
        get("/hello.txt", "Expect: 200-ok"),
    ),
    _row(
        "who announces no content waits for no 100 (RFC 9110, section 10.1.1); nginx sends it",
        "status ending",
        _expects_without_a_body,
        get("/hello.txt", "Expect: 100-continue"),
    ),
    _row(
        "after a refusal in the place of 100 it is open whether the content comes, and the connection ends "
        "(RFC 9110, section 10.1.1); nginx reads on",
        "ending",
        _waits_in_vain,
        get("/hello.txt", "Content-Length: 5", "Expect: 100-continue", method="POST", body=b"12345"),
    ),
    _row(
        "Host has no user and a port of digits (RFC 9110, section 7.2); nginx is lenient",
        "status ending",
        _names_a_strange_host,
        ask(Request(fields=(b"Host: a@b",))),
    ),
    _row(
        "Host may be empty (RFC 9112, section 3.2), and dots are a name to RFC 3986; nginx wants neither",
        "status ending",
        _names_no_host,
        ask(Request(fields=(b"Host: ",))),
    ),
    _row(
        "a repeated list is one list (RFC 9110, section 5.3); nginx refuses it in conditions",
        "status ending",
        _repeats_a_condition,
        get("/hello.txt", "If-Match: *", 'If-Match: "no"'),
    ),
    _row(
        "the same Content-Length twice may be taken for one (RFC 9112, section 6.3); nginx refuses it",
        "status ending",
        _has_one_length_twice,
        get("/hello.txt", "Content-Length: 5", "Content-Length: 5", body=b"12345"),
    ),
    _row(
        "two framings may be read by Transfer-Encoding, and end the connection (RFC 9112, section 6.1); "
        "nginx refuses",
        "status ending",
        _has_two_framings,
        get("/hello.txt", "Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"),
    ),
    _row(
        "of other versions than 1.1 and 1.0 none is spoken, 0.9 and what is written otherwise included",
        "status ending",
        _is_of_no_known_version,
        raw(b"GET /hello.txt\r\n\r\n"),
    ),
    _row(
        "a head has 16384 octets here and 431 beyond; in nginx a line has 8192, and 400 beyond",
        "status ending",
        _has_a_large_head,
        raw(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000 + b"\r\n\r\n"),
    ),
    _row(
        "a folded line is joined with a space, which RFC 9112, section 5.2, allows; nginx refuses it",
        "status ending",
        _folds_a_line,
        get("/hello.txt", "X: y", " z"),
    ),
    _row(
        "a tab beside a value is whitespace as a space is (RFC 9110, section 5.6.3); to nginx it is a part "
        "of it",
        "status ending",
        _pads_with_tabs,
        ask(Request(fields=(b"Host:\twww.lab.test",))),
    ),
    _row(
        "who says close anywhere means it (RFC 9112, section 9.3); of two fields nginx heeds the last",
        "ending",
        _wants_both,
        get("/hello.txt", "Connection: close", "Connection: keep-alive"),
    ),
    _row(
        "HTTP/1.0 persists nowhere (RFC 9112, section 9.3, leaves it open); nginx heeds keep-alive",
        "ending",
        _asks_to_stay_in_http_1_0,
        raw(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
    ),
    _row(
        "octets that RFC 9112's grammar has not in a line end the connection: spaces, controls, "
        "before it, signs in a name; nginx passes over many of them",
        "status ending",
        _has_octets_out_of_place,
        raw(b"GET  /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n"),
    ),
)
