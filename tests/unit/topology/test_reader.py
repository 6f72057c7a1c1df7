"""Whatever the text, there is an answer: no input ends in a traceback, a crash or a long wait."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from netlab.errors import Fault, InputError
from netlab.topology import parse
from netlab.topology.faults import Faults, Mark
from netlab.topology.language import DNS, HTTP, NETWORK, NODE, SERVICES, TOPOLOGY
from netlab.topology.reader import Mapping, Scalar, Sequence, read
from netlab.topology.vocabulary import RECORD_TYPES

BAD = Path(__file__).parent / "bad"
WEB = (Path(__file__).parents[3] / "topologies" / "web.yaml").read_text()


def test_values_know_their_place_and_kind() -> None:
    """Each value has its text, the type that YAML takes it for, and its place, counted from 1."""
    tree = read('a: "x"\nbé: [no, 10.0]\nc:\n', Faults("lab.yaml", ""))
    assert isinstance(tree, Mapping)
    (_, a), (_, b), (c_key, c) = tree.entries
    assert a == Scalar(Mark(1, 4, 3), "x", "str")
    assert b == Sequence(
        Mark(2, 5, 10), (Scalar(Mark(2, 6, 2), "no", "bool"), Scalar(Mark(2, 10, 4), "10.0", "float"))
    )
    assert c == Scalar(c_key.mark, "", "null")


def check(text: str) -> None:
    """Parse a text, and check that its faults, if it has any, lie within it."""
    lines = text.count("\n") + text.count("\r") + sum(map(text.count, "\x85\u2028\u2029")) + 1
    for fault in attempt(text):
        assert 1 <= fault.place.line <= lines
        assert fault.place.column >= 1
        assert fault.width >= 1
        assert fault.what
        assert fault.hint
        assert "\x1b" not in str(fault)


def attempt(text: str) -> tuple[Fault, ...]:
    """Parse a text, and return its faults, of which a refused one has some."""
    try:
        parse(text, file="lab.yaml", directory=BAD)
    except InputError as error:
        return error.faults or pytest.fail("an InputError without a fault")
    return ()


@given(st.text())
@example("\ud800")
@example("[" * 100_000)
@example("{" * 100_000)
@example("- " * 50_000)
@example("a: &x [*x]")
@example("? ? ? a")
@example("9" * 100_000)
@example("seed: " + "9" * 100_000)
@example("nodes: {a: {address: 10.0.0.1/\u2028}}")
@example("<<: {nodes: {a: }}")
@example("seed: =\nnodes: {a: }")
@example("%YAML 9.9\n---\na: b")
@example("nodes: {a: {services: {http: {content: 'a\\0b'}}}}")
@example("nodes: {a: {services: {http: {content: " + "x" * 5000 + "}}}}")
def test_any_text_has_an_answer(text: str) -> None:
    """Random text is a topology or has faults; nothing else happens."""
    check(text)


TOKENS = st.sampled_from(
    [
        *":-[]{}'\"|@.#é\t\\*%, ",
        "\n",
        "\n  ",
        "? ",
        "&a",
        "*a",
        "!t",
        "null",
        "no",
        "1e9",
        "0x10",
        "10.0.0.10",
    ]
)


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.integers(0, len(WEB)), st.integers(0, 12), st.lists(TOKENS, max_size=3)),
        min_size=1,
        max_size=6,
    )
)
def test_any_mutation_has_an_answer(edits: list[tuple[int, int, list[str]]]) -> None:
    """A good file with pieces cut out and put in is a topology or has faults; nothing else happens."""
    text = WEB
    for at, cut, put in edits:
        text = text[:at] + "".join(put) + text[at + cut :]
    check(text)


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.text(max_size=8),
    st.binary(max_size=4),
)
KEYS = st.sampled_from(
    [
        *(*TOPOLOGY.names, *NETWORK.names, *NODE.names, *RECORD_TYPES, *SERVICES.names),
        *(*DNS.names, *HTTP.names, "lab.test", "@", "lan"),
    ]
)


@given(
    st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5))
)
def test_any_tree_of_known_words_has_an_answer(tree: object) -> None:
    """Known keys with values of every YAML type, in every place, are a topology or have faults."""
    import yaml

    check(yaml.safe_dump({"nodes": {"a": tree}, "networks": tree}))
    check(yaml.safe_dump(tree))
