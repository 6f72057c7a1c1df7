"""How a lab's start is followed: what its fabric says, line by line, and what its images print."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator

import pytest

from netlab.backends.docker.engine import Pipe
from netlab.backends.docker.voice import Voice
from netlab.backends.inside.channel import encode_error
from netlab.errors import LabError, ServiceError


class Speaker:
    """The other end of a container's output; `pipe` is what the driver reads."""

    def __init__(self) -> None:
        ours, self._end = socket.socketpair()
        self.pipe = Pipe(ours)

    def say(self, data: bytes, number: int = 1) -> None:
        """Write as the engine frames it."""
        self._end.sendall(struct.pack(">BxxxI", number, len(data)) + data)

    def end(self) -> None:
        """End."""
        self._end.close()


@pytest.fixture
def fabric() -> Iterator[Speaker]:
    """Give a fabric's output."""
    made = Speaker()
    yield made
    made.end()
    made.pipe.close()


@pytest.fixture
def image() -> Iterator[Speaker]:
    """Give an image's output."""
    made = Speaker()
    yield made
    made.end()
    made.pipe.close()


def test_a_step_is_waited_for(fabric: Speaker) -> None:
    """Lines in pieces, and steps before it, are read until the step is said."""
    voice = Voice(fabric.pipe)
    fabric.say(b'{"wired": tr')
    fabric.say(b'ue}\n{"rea')
    fabric.say(b'dy": true}\n')
    voice.hear("wired")
    voice.hear("ready")


def test_an_error_is_raised_as_it_was(fabric: Speaker) -> None:
    """What failed in the fabric has its kind, its sentence and its log here."""
    error = ServiceError(
        "service dns of node dns ended before it was ready", "its log ends so", ["port 53", "in use"]
    )
    fabric.say((json.dumps({"error": encode_error(error)}) + "\n").encode())
    with pytest.raises(ServiceError) as caught:
        Voice(fabric.pipe).hear("ready")
    assert str(caught.value) == str(error)


def test_a_fabric_that_ends(fabric: Speaker) -> None:
    """Its last word on standard error is told."""
    fabric.say(b"Traceback\n  File\nImportError: no module\n", 2)
    fabric.end()
    with pytest.raises(
        LabError, match="the lab's supervisor ended while it started: ImportError: no module — "
    ):
        Voice(fabric.pipe).hear("ready")


def test_an_image_that_ends(fabric: Speaker, image: Speaker) -> None:
    """Its last twelve lines are told while the fabric still says nothing."""
    image.say("".join(f"line {number}\n" for number in range(20)).encode())
    image.say(b"no settings found", 2)
    image.end()
    with pytest.raises(ServiceError) as caught:
        Voice(fabric.pipe).hear("ready", {"image x of node y": image.pipe})
    assert caught.value.what == "image x of node y: its program ended as soon as it had started"
    assert caught.value.log == (*(f"line {number}" for number in range(9, 20)), "no settings found")


def test_images_that_run_on(fabric: Speaker, image: Speaker) -> None:
    """One that prints, and goes on, is no failure; it is not listened to afterwards."""
    image.say(b"listening\n")
    Voice(fabric.pipe).settle({"image x of node y": image.pipe})
    assert image.pipe.fileno() == -1


def test_an_image_that_spoke_early(fabric: Speaker, image: Speaker) -> None:
    """What its program said while the lab was being built is its last word when it ends after that."""
    voice = Voice(fabric.pipe)
    image.say(b"no settings found\n")
    fabric.say(b'{"ready": true}\n')
    voice.hear("ready", {"image a": image.pipe})
    image.end()
    with pytest.raises(ServiceError) as caught:
        voice.settle({"image a": image.pipe})
    assert "no settings found" in str(caught.value)
