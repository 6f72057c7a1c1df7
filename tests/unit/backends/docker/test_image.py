"""netlab's image: what names it, what is said of a wrong one, and how a build's stream is read."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.backends.docker import image
from netlab.backends.docker.unmet import release, unmet
from netlab.errors import MachineError

# What Docker Engine 20.10 sends when the step of a Dockerfile's second line fails.
DOCKER = [
    {"stream": "Step 1/4 : ARG BASE=some"},
    {"stream": "\n"},
    {"stream": "Step 2/4 : FROM $BASE"},
    {"stream": "\n"},
    {"stream": " ---> f582abb7dd79\n"},
    {"stream": "Step 3/4 : USER 0"},
    {"stream": "\n"},
    {"stream": " ---> Using cache\n"},
    {"stream": " ---> 0b8b815d2ee7\n"},
    {"stream": "Step 4/4 : RUN   apt-get \t update"},
    {"stream": "\n"},
    {"stream": " ---> Running in aa3a9ec698a2\n"},
    {"stream": "\x1b[91mE: no net"},
    {"stream": "work\n\x1b[0m"},
    {"stream": "Removing intermediate container aa3a9ec698a2\n"},
    {"stream": " ---> 66cdc4ad5990\n"},
]
FAILED = "The command '/bin/sh -c apt-get \t update' returned a non-zero code: 100"


def attempt_of(messages: list[dict[str, Any]]) -> tuple[image.Attempt, list[str]]:
    """Read a stream; return what came of it, and what was told."""
    told: list[str] = []
    attempt = image.Attempt(told.append)
    for message in messages:
        attempt.take(message)
    return attempt, told


def test_a_step_is_told_in_a_line() -> None:
    """Its number first, then the instruction with single blanks."""
    _, told = attempt_of(DOCKER)
    assert told == ["1/4  ARG BASE=some", "2/4  FROM $BASE", "3/4  USER 0", "4/4  RUN apt-get update"]


def test_podman_is_understood() -> None:
    """Its steps, images and failures are spelt otherwise."""
    lines = ["STEP 1/3: FROM some", "STEP 2/3: USER 0", "--> Using cache 90093f23adf5", "--> 90093f23adf5"]
    messages = [{"stream": f"{line}\n"} for line in [*lines, "STEP 3/3: RUN false", "--> 10b8ac9e7fe5", "no"]]
    attempt, told = attempt_of(messages)
    assert told == ["1/3  FROM some", "2/3  USER 0", "3/3  RUN false"]
    assert attempt.images == ["10b8ac9e7fe5"]
    with pytest.raises(MachineError, match=r"with exit status 1 — [^\n]*\n    no$"):
        attempt.take({"error": 'building at STEP "RUN false": while running runtime: exit status 1'})


def test_only_what_was_made_is_undone() -> None:
    """The base's image and cached ones, which others may use, are not ours."""
    attempt, _ = attempt_of(DOCKER)
    assert attempt.containers == ["aa3a9ec698a2"]
    assert attempt.images == ["66cdc4ad5990"]


def test_a_failed_step_shows_its_own_last_lines() -> None:
    """Its command, which may be long, is not repeated; nothing of a terminal's colours is left."""
    with pytest.raises(MachineError) as caught:
        attempt_of([*DOCKER, {"errorDetail": {}, "error": FAILED}])
    assert str(caught.value) == (
        "the image cannot be made: a step of its Dockerfile failed with exit status 100 — "
        "what the base lacks is installed from the network: is there one? "
        "Or choose another base with --base\n"
        "    E: no network"
    )


def test_an_engine_s_own_error_is_shown() -> None:
    """It is no command's exit status, and says what is wrong."""
    with pytest.raises(MachineError, match=r'\n    exec: "/bin/sh": no such file'):
        attempt_of([{"error": 'exec: "/bin/sh": no such file'}])


def test_a_line_without_an_end_is_shown() -> None:
    """A program's last words may lack it."""
    with pytest.raises(MachineError, match="\n    last words"):
        attempt_of([{"stream": "last words"}, {"error": FAILED}])


@given(st.data())
def test_lines_come_in_any_pieces(data: st.DataObject) -> None:
    """How an engine cuts its stream does not matter."""
    whole = "".join(message["stream"] for message in DOCKER)
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=8).map(sorted))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    attempt, told = attempt_of([{"stream": piece} for piece in pieces])
    expected, expected_told = attempt_of(DOCKER)
    assert (attempt.images, attempt.containers, attempt.lines) == (
        expected.images,
        expected.containers,
        expected.lines,
    )
    assert told == expected_told


def test_a_missing_image_is_a_sentence() -> None:
    """With the one command that makes it."""
    with pytest.raises(MachineError) as caught:
        image.check(None)
    said = f"the container engine has no image {image.tag()} — make it: netlab image build"
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"Config": None},
        {"Config": {"Labels": None}},
        {"Config": {"Labels": {}}},
        {"Config": {"Labels": {"netlab.sources": "0" * 64}}},
    ],
)
def test_an_image_of_other_sources_is_a_sentence(found: dict[str, Any]) -> None:
    """Also one that somebody else made under that name."""
    with pytest.raises(MachineError, match=r"other sources than this netlab's — make it: netlab image build"):
        image.check(found)


def test_an_image_of_these_sources_is_right() -> None:
    """Its label says so."""
    image.check({"Config": {"Labels": {image.LABEL: image.digest()}}})


def test_the_digest_is_of_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed byte, a new name change it; compiled and hidden files, and a wheel's labs do not."""
    package = tmp_path / "netlab"
    package.mkdir()
    (package / "errors.py").write_text("x")
    monkeypatch.setattr(image, "_PACKAGE", package)
    first = image.digest()
    for name in ("__pycache__/x.pyc", "plan/__pycache__/x.pyc", ".swap", "shipped/labs/x.py"):
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    assert image.digest() == first
    (package / "new.py").touch()
    second = image.digest()
    (package / "new.py").write_text(" ")
    third = image.digest()
    (package / "new.py").rename(package / "newer.py")
    assert len({first, second, third, image.digest()}) == 4


def test_the_tag_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A local version's plus sign cannot stand in an image's name."""
    assert image.tag().startswith("netlab:")
    monkeypatch.setattr(image.metadata, "version", lambda _: "1.0+g1a2b3c")
    assert image.tag() == f"netlab:1.0-g1a2b3c-{image.digest()[:12]}"


def test_the_dockerfile_installs_what_the_project_needs(root: Path) -> None:
    """Of the dependencies, only those of the command line and of the driver are left out."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    text = (root / "netlab/backends/docker/Dockerfile").read_text()
    outside = ("click", "docker")
    for requirement in project["dependencies"]:
        assert (f'"{requirement}"' in text) != requirement.startswith(outside), requirement


@pytest.mark.parametrize(
    ("requirement", "version", "is_met"),
    [
        ("h11>=0.14", "0.14.0", True),
        ("h11>=0.14", "0.14", True),
        ("h11>=0.14", "0.13.9", False),
        ("scapy>=2.6", "2.10", True),
        ("scapy>=2.6", "2.6.1rc2", True),
        ("scapy>=2.6", "2.5.0", False),
        ("scapy>=2.6", None, False),
        ("scapy", "0", True),
        ("scapy>=2.6", "unknown", False),
    ],
)
def test_a_requirement_is_met_by_its_numbers(requirement: str, version: str | None, is_met: bool) -> None:
    """They count as numbers, not as text."""
    assert unmet([requirement], lambda _: version) == ([] if is_met else [requirement])


@given(st.lists(st.integers(0, 2**32), min_size=1), st.sampled_from(["", "rc1", ".dev3", "+local.1"]))
def test_a_release_is_its_numbers(numbers: list[int], rest: str) -> None:
    """What follows them does not count."""
    assert release(".".join(map(str, numbers)) + rest) == tuple(numbers)
