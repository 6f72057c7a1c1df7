"""What the HTTP servers are asked: requests put together at random, whole and damaged."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.system.differential.http_by_hand import CONDITIONS, FIELDS, METHODS, RANGES, TARGETS
from tests.system.differential.http_corpus import TAGGED, Asked, Request, ask, raw

_FEW = tuple(target.encode("latin-1") for target in TARGETS if len(target) < 40)
_SEGMENTS = st.sampled_from(
    [b"docs", b"..", b".", b"", b"%2e%2E", b"hello.txt", b"a%20b.txt", b"deep", b"%64ocs", b"bare"]
)
_TARGETS = st.one_of(
    *[st.sampled_from([b"/", TAGGED.encode(), b"/empty.txt", b"/docs/", b"/docs/a%20b.txt", b"/none"])] * 3,
    st.sampled_from(_FEW),
    st.lists(_SEGMENTS, max_size=6).map(lambda segments: b"/" + b"/".join(segments)),
    st.text("/.%abc2eE0~?", max_size=12).map(lambda text: b"/" + text.encode()),
)
_MORE_FIELDS = st.sampled_from(
    [
        *(
            field.encode("latin-1")
            for field in FIELDS
            if not field.startswith(("Host", "Content", "Transfer"))
        ),
        *(field.encode() for field in CONDITIONS),
        *(b"Range: " + one.encode() for one in RANGES),
    ]
) | st.builds(
    lambda first, last: b"Range: bytes=%b-%b" % (first, last),
    *[st.sampled_from([b"", b"0", b"1", b"7", b"22", b"23", b"24", b"25", b"007"])] * 2,
)
_REQUESTS = st.builds(
    lambda method, target, version, fields: Request(
        method, target, version, (b"Host: www.lab.test", *fields)
    ),
    st.one_of(*[st.just(b"GET")] * 4, st.just(b"HEAD"), st.sampled_from([each.encode() for each in METHODS])),
    _TARGETS,
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0"]),
    st.lists(_MORE_FIELDS, max_size=2),
)
PLAIN = st.lists(_REQUESTS, min_size=1, max_size=3).map(lambda requests: ask(*requests))


@st.composite
def _damaged(draw: st.DrawFn) -> Asked:
    """Damage a request: an octet changed, taken away or put in."""
    wire = bytearray(draw(_REQUESTS).to_wire())
    at = draw(st.integers(0, len(wire) - 1))
    octet = draw(st.sampled_from(b'\0\t\n\r !"%/:;\x7f\x80\xff') | st.integers(0, 255))
    wire[at : at + draw(st.integers(0, 1))] = bytes([octet]) * draw(st.integers(0, 2))
    return raw(bytes(wire))


DAMAGED = _damaged()
