"""Frames survive any cutting, on both layers: netlab's own, and the engine's around them."""

from __future__ import annotations

import json
import socket
import struct
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from netlab.backends.docker.engine import Pipe
from netlab.backends.docker.stream import ERRORS, OUTPUT, WORDS, Frames, frame, words

FRAMES = st.lists(st.tuples(st.sampled_from([WORDS, OUTPUT, ERRORS]), st.binary(max_size=300)), max_size=8)
CUTS = st.lists(st.integers(0, 3000), max_size=20)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut bytes at these places."""
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return [data[start:end] for start, end in pairwise(places)]


@given(FRAMES, CUTS)
def test_any_cutting_gives_the_frames_back(sent: list[tuple[int, bytes]], cuts: list[int]) -> None:
    """Whatever the pieces in which they come, the frames are the same, and none is held back."""
    data = b"".join(frame(kind, body) for kind, body in sent)
    frames = Frames()
    assert [each for piece in pieces(data, cuts) for each in frames.feed(piece)] == sent


@given(FRAMES, st.integers(1, 200))
def test_an_incomplete_frame_is_waited_for(sent: list[tuple[int, bytes]], missing: int) -> None:
    """What lacks its end is not given; with the end it is."""
    data = b"".join(frame(kind, body) for kind, body in [*sent, (OUTPUT, b"x" * 200)])
    frames = Frames()
    assert list(frames.feed(data[:-missing])) == sent
    assert list(frames.feed(data[-missing:])) == [(OUTPUT, b"x" * 200)]


def test_words_are_json() -> None:
    """Words carry any message, of any script."""
    message = {"do": "run", "argv": ["échö", "\0", "日本"], "size": [24, 80, 0, 0]}
    ((kind, body),) = Frames().feed(words(message))
    assert (kind, json.loads(body)) == (WORDS, message)


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=300)), max_size=8), CUTS)
def test_the_engines_framing(sent: list[tuple[int, bytes]], cuts: list[int]) -> None:
    """Output and errors come apart, whatever the pieces; the end is told once all is read."""
    data = b"".join(struct.pack(">BxxxI", number, len(body)) + body for number, body in sent)
    ours, theirs = socket.socketpair()
    pipe = Pipe(ours)
    found: list[tuple[int, bytes]] = []
    for piece in pieces(data, cuts):
        theirs.sendall(piece)
        found += pipe.read() or []
    theirs.close()
    assert found == sent
    assert pipe.read() is None
    pipe.close()
    pipe.close()  # harmless
