"""What an engine refuses, and that there is none, as sentences."""

from __future__ import annotations

import docker.errors
import pytest
import requests
import requests.exceptions
import urllib3.exceptions

from netlab.backends.docker import engine
from netlab.errors import LabError, MachineError, NetlabError

START_ONE = "start one, or set DOCKER_HOST to one that runs; without one there is --backend netns"
JOIN = "join its group (sudo usermod -aG docker $USER; then log in again), or use rootless Podman"


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name an engine."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///e")


def wrapped(error: OSError) -> docker.errors.DockerException:
    """Wrap an error as requests, urllib3 and the SDK do, one in the other."""
    inner = urllib3.exceptions.ProtocolError("Connection aborted.", error)
    outer = requests.exceptions.ConnectionError(inner)
    made = docker.errors.DockerException(f"Error while fetching server API version: {outer}")
    made.__cause__ = outer
    return made


def refused(status: int, why: str) -> docker.errors.APIError:
    """Make what the SDK raises for an answer of that status."""
    response = requests.Response()
    response.status_code = status
    return docker.errors.APIError("refused", response, why)


@pytest.mark.parametrize(
    ("error", "why", "hint"),
    [
        (FileNotFoundError(2, "No such file or directory"), "there is no such socket", START_ONE),
        (ConnectionRefusedError(111, "Connection refused"), "nobody listens there", START_ONE),
        (PermissionError(13, "Permission denied"), "its socket is not yours to use", JOIN),
    ],
)
def test_what_lies_at_the_bottom_is_told(error: OSError, why: str, hint: str) -> None:
    """However often it is wrapped: why nobody answers, and what helps; status 3."""
    for seen in (error, wrapped(error)):
        told = engine._unreachable(seen)
        assert str(told) == f"no container engine answers at unix:///e: {why} — {hint}"
        assert told.exit_status == 3


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (
            docker.errors.DockerException("Invalid bind address protocol: x://"),
            "Invalid bind address protocol: x://",
        ),
        (docker.errors.DockerException("the first line\nand another"), "the first line"),
        (ValueError(), "ValueError"),
    ],
)
def test_any_other_reason_is_its_own_first_line(error: Exception, why: str) -> None:
    """What we have no sentence for is told in the SDK's words, in one line; without any, by its kind."""
    assert str(engine._unreachable(error)) == f"no container engine answers at unix:///e: {why} — {START_ONE}"


def test_errors_that_hold_each_other() -> None:
    """A ring of causes is walked once."""
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert "one" in str(engine._unreachable(one))


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (
            refused(404, "No such container: 1"),
            LabError,
            "the lab has ended: asked to go, the engine finds no such container",
        ),
        (
            refused(500, "no space left on device.\n"),
            MachineError,
            "the container engine refused to go: no space left on device — see `netlab doctor`",
        ),
        (
            requests.exceptions.ConnectionError("reset"),
            LabError,
            "the container engine at unix:///e does not answer any more, asked to go — is it running?"
            " What is left of the lab goes with `netlab down --all` once it is",
        ),
        (
            requests.exceptions.ReadTimeout("60 s"),
            LabError,
            "the container engine at unix:///e does not answer any more, asked to go — is it running?"
            " What is left of the lab goes with `netlab down --all` once it is",
        ),
    ],
)
def test_what_an_engine_refuses(error: Exception, kind: type[NetlabError], sentence: str) -> None:
    """Each kind of the SDK's errors is one of ours, with what was asked for."""
    with pytest.raises(kind) as caught, engine.told("to go"):
        raise error
    assert str(caught.value) == sentence
    assert caught.value.__cause__ is error


def test_a_status_that_means_gone() -> None:
    """Where an engine says "conflict" of a container that has ended, that is what is told."""
    with pytest.raises(LabError, match="the lab has ended: asked to go"), engine.told("to go", 409):
        raise refused(409, "container is not running")


def test_what_is_no_error_of_an_engine_passes() -> None:
    """A fault of our own stays one."""
    with pytest.raises(KeyError), engine.told("to go"):
        raise KeyError("ours")


@pytest.mark.parametrize("address", ["tcp://[::1", "tcp://127.0.0.1:port", "nonsense", "gopher://a:1"])
def test_an_address_that_is_none(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """It is refused before anything is connected to."""
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(MachineError, match="no container engine answers at"):
        engine.connect()
