"""What can name a container image; how a mistake is told is among the golden messages of test_faults.py."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.topology.images import is_reference

DIGEST = "sha256:" + "0123456789abcdef" * 4

COMPONENTS = st.from_regex(r"[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}", fullmatch=True)
HOSTS = st.sampled_from(
    ["", "localhost/", "localhost:5000/", "registry.example/", "10.0.0.1:80/", "[::1]:5000/"]
)
TAGS = st.from_regex(r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,20})?", fullmatch=True)
DIGESTS = st.sampled_from(["", f"@{DIGEST}", "@sha512+b64u:" + "f" * 128])


@given(HOSTS, st.lists(COMPONENTS, min_size=1, max_size=3), TAGS, DIGESTS)
def test_what_is_put_together_is_a_reference(host: str, path: list[str], tag: str, digest: str) -> None:
    """A host, components, a tag and a digest, each of its own form, make a reference."""
    assert is_reference(host + "/".join(path) + tag + digest)


@pytest.mark.parametrize(
    "word",
    [
        "",
        " ",
        "a b",
        "a:",
        ":a",
        "a@",
        "a/",
        "/a",
        "a//b",
        "a..b",
        "a___b",
        "-a",
        "a-",
        "a:-b",
        "a:b:c",
        "Name",
        "https://host/a",
        "a@sha256:0",
        f"a@{DIGEST}:tag",
        "a\n",
        "bücher",
        "a:ü",
        "--privileged",
        "$(id)",
        "a;b",
    ],
)
def test_what_is_no_reference(word: str) -> None:
    """An option, a link, a shell's words, an empty part: none of them reaches an engine."""
    assert not is_reference(word)


def test_lengths() -> None:
    """A name has 255 characters at most, a tag 128."""
    assert is_reference("a" * 255)
    assert not is_reference("a" * 256)
    assert is_reference("a:" + "b" * 128)
    assert not is_reference("a:" + "b" * 129)


@pytest.mark.parametrize(
    "word", ["a-" * 5000, "a." * 500 + "!", "a" * 1000 + "/" * 2, "a_" * 511 + "_", "-" * 1024]
)
def test_nothing_takes_long(word: str) -> None:
    """No word makes the reading of it explode."""
    begin = time.process_time()
    assert not is_reference(word)
    assert time.process_time() - begin < 0.1
