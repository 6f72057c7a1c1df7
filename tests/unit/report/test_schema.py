"""Schema and loader agree on what a topology is, and where they cannot, it is written down why.

What is good for the loader is good for the schema, always. What the loader finds wrong, an editor underlines
at the very token, unless it stands in one of the tables here; a row that is no longer needed fails.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from netlab.errors import Fault, InputError
from netlab.report import schema
from netlab.topology import load, parse
from netlab.topology.language import TOPOLOGY
from tests.unit.report.editor import Place, TooLargeError, UnreadableError, documents
from tests.unit.topology.test_mutations import EDITS, GOOD, changed

ROOT = Path(__file__).parents[3]
BAD = ROOT / "tests" / "unit" / "topology" / "bad"
CASES = sorted(path.stem for path in BAD.glob("*.yaml"))
SCHEMA = schema.schema(TOPOLOGY)
VALIDATOR = Draft202012Validator(SCHEMA)

# Bad files that no schema is asked about: their case, and why.
UNREAD = {
    "alias-in-itself": "an editor's parser stops there",
    "bad-indent": "an editor's parser stops there",
    "billion-laughs": "aliases come to more than anybody would look through",
    "colon-before-a-brace": "an editor's parser stops there",
    "colon-without-blank-in-a-block": "an editor's parser stops there",
    "control-character": "an editor's parser stops there",
    "duplicate-key": "an editor tells it of any YAML",
    "foreign-spaces": "an editor's parser stops there",
    "key-is-a-list": "an editor tells it of any YAML",
    "merge-bomb": "aliases come to more than anybody would look through",
    "merge-of-no-mapping": "an editor tells it of any YAML",
    "not-utf-8": "the file is no text, and an editor shows it in another encoding",
    "tab": "an editor's parser stops there",
    "tab-within": "an editor's parser stops there",
    "tag": "an editor tells it of any YAML",
    "unclosed-bracket": "an editor's parser stops there",
    "unclosed-quote": "an editor's parser stops there",
    "unknown-alias": "an editor tells it of any YAML",
}

# What the loader finds and an editor does not underline just there: why, and patterns of what it says.
UNSEEN = {
    "a name says which thing is meant, and a schema does not look it up": (
        "unknown (network|node|kind) ",
        "there is no (network|node) .* to take away",
        "the node .* has no interface",
        "there are no kinds",
        "is no node and no address",
        "is no address, no subnet and no node",
        "is at no end of this cable",
        "'(dnz|default)' is no destination",
        "is on no network 'outsid'",
        "runs no dns service",
    ),
    "two things that must differ, or fit together, stand apart in the file": (
        "the (MAC )?address .* is taken by node",
        "the network 'second' overlaps|the network 'lab' overlaps",
        "differs from .* in case alone",
        "the rule .* is there twice",
        "the route to .* is there twice",
        "the key 'h2' is there twice, as",
        "the network 'outside' is there twice",
        "this record is there already",
        "port 80 of tcp is forwarded already",
        "port [0-9]+ is (the .* service's|that of https)",
        "a CNAME stands beside",
        "a second SOA",
        "an SOA stands below the top",
        "'/srv/a' cannot be a file",
        "on which of the networks",
        "both (address|wire) and interfaces are there",
        "jitter without a delay",
        "a jitter of .* is more than the delay",
        "netem reorders by sparing",
        "has neither subnet nor subnet6",
        "an MTU of 1279 is too small for IPv6",
    ),
    "whether an address fits is arithmetic, and the network may stand elsewhere": (
        " is outside ",
        "is the network's own address",
        "is every router's address",
        "is the broadcast address",
        "is an address of IPv6",
        "is an IPv6 address, and the network",
        "is an IPv4 address, and the network",
        "has host bits set",
        "'10.2.0.1/24' is no destination",
        "0.0.0.0/0 is everywhere",
        "is no host's address",
        "no gateway leads to .*, which is",
        "IPv6?4? does not lead to",
        "no packet is from an address of one IP version",
        "does not run between addresses of IPv6",
        "no network for hosts",
        "IPv6 is not translated",
    ),
    "it is about how the lab hangs together": (
        "alone on the network",
        "is a link, which joins two nodes",
        "nodes are on .* has room for",
        "cannot reach its name server",
        "no node has the address",
        "the name server .* has no address",
        "no node serves the root zone",
        "does not serve the root zone",
        "is signed by .* already",
        "a server that asks itself",
        "has no zones, and asks nobody",
        "a server either asks the root",
        "root says where a recursive server begins",
        "no node is a name server of",
        "is 'router' itself",
        "could not have its IPv6 address on",
        "is its own gateway",
        "is the node's own address",
        "is no router: it would not pass anything on",
        "the gateway .* is on no network of",
        "is on 10.0.0.0/24 itself",
        "would forward to itself",
        "is on the outside alone",
        "has no network but the outside",
        "on a node that forwards nothing",
    ),
    "what a server can do depends on which one it is, and a kind may name another": (
        "the engine .* cannot do",
        "dnsmasq cannot serve",
        "no zone to sign",
    ),
    "it shows when nodes are made of kinds and counts": (
        "count makes a n",
        "stands for (3 nodes|1 node), ",
        "there are no 10 addresses from",
        "100 addresses from .* do not fit",
        "a kind is of its own kind",
        "more than 10 kinds",
        "with their kinds and counts",
    ),
    "it is about another file": (
        "with this network there are several, and nodes in .* do not say",
        "nodes in .* have addresses outside",
        "'zones' is a directory",
        "is no ordinary file",
        "is no regular file of at most",
        "cannot be extended",
        "a file extends itself",
        "'empty.yaml' is empty",
        "there is no file ",
        "'.' is a directory",
        "there is no directory ",
        "is no directory",
        "the file's own name",
    ),
    "YAML 1.2, which editors read, takes for a word what is none in YAML 1.1": (
        "is read by YAML as true or false",
        "'(1:30|3:10|52:54:00:12:34:56)' is a number",
    ),
    "YAML 1.2, which editors read, takes it for a whole number, as JSON Schema does 80.0": (
        "is no plain decimal number",
        "'1e3' is a number",
    ),
    "only kernels know their parameters": (
        "there are no parameters below",
        "is a group of parameters",
        "is a number, and '(yes|strict)' is none",
    ),
    "a text has a grammar of its own": (
        "is an address, and a zone has names",
        "cannot name an image",
        "is no data of an? (MX|SOA|TXT) record",
        "CNAME wants a name",
        "has no final dot",
        "lies outside the zone",
        "is no regular expression",
        "is for a shell",
        "a quote in this command is never closed",
        "a start-up command begins in /",
        "(1 KiB|2000 GiB) is out of range",
        "'70000' is out of range",
        "the character NUL",
        "which of these packets",
        "unknown word .seccond.",
        "truncate to how many bytes",
        "'200' has no unit",
        "a (time|rate) of .* is out of range",
    ),
    "an editor underlines it elsewhere: the mapping, or the key that it does not go with": (
        "a port of which protocol",
        "icmp has no ports",
        "udp has no flags",
        "(port|flags) goes only with protocol",
        "netem knows no script",
        "the file is empty",
    ),
    "it is a name, or a variable, as good as any other": (
        "no blank after the colon in '(lan|10)",
        "a key of nodes, stands here as a node",
    ),
    "each document is good by itself": ("a second YAML document begins",),
    "a schema counts no depth": ("nested more than 32 deep",),
}


def underlined(text: str) -> set[Place]:
    """Return what an editor marks."""
    return {place for document in documents(text) for place in document.marks(VALIDATOR)}


def faults(text: str, directory: Path, file: str = "lab.yaml") -> tuple[Fault, ...]:
    """Return what the loader finds wrong."""
    try:
        parse(text, file=str(directory / file), directory=directory)
    except InputError as error:
        return error.faults
    return ()


@cache
def unseen() -> tuple[tuple[str, Fault], ...]:
    """Return the faults of bad files that an editor does not underline, each with its case."""
    found = []
    for case in CASES:
        if case in UNREAD:
            continue
        path = BAD / f"{case}.yaml"
        marks = underlined(path.read_text())
        with pytest.raises(InputError) as caught:
            load(path)
        found += [
            (case, fault)
            for fault in caught.value.faults
            # What is wrong with a file that is extended shows in that one.
            if fault.place.file == str(path) and (fault.place.line, fault.place.column) not in marks
        ]
    return tuple(found)


def test_it_is_a_schema_of_either_draft() -> None:
    """Its own rules hold, in draft 2020-12 and in draft 7, which is what most editors know."""
    Draft202012Validator.check_schema(SCHEMA)
    Draft7Validator.check_schema(SCHEMA)
    later = {"prefixItems", "dependentRequired", "dependentSchemas", "unevaluatedProperties", "minContains"}
    assert not later & set(re.findall(r'"(\w+)":', schema.text(TOPOLOGY)))


def test_what_it_offers_fits() -> None:
    """Each example and each default, which editors propose, is good where it is proposed."""
    offering = [SCHEMA, *SCHEMA["$defs"].values()]
    keys = [key for part in offering for key in part.get("properties", {}).items()]
    offered = [(name, says, value) for name, says in keys for value in _offered(says)]
    assert len(offered) > 30
    for name, says, value in offered:
        errors = list(VALIDATOR.evolve(schema={**says, "$defs": SCHEMA["$defs"]}).iter_errors(value))
        assert errors == [], name


def _offered(says: dict[str, Any]) -> list[Any]:
    return [*says.get("examples", []), *([says["default"]] if "default" in says else [])]


def test_the_committed_one_is_what_is_generated(committed: Callable[[str, str], None]) -> None:
    """topologies/netlab.schema.json, which the shipped topologies name in their first line, is up to date."""
    committed("netlab.schema.json", schema.text(TOPOLOGY))
    for path in sorted((ROOT / "topologies").glob("*.yaml")):
        assert path.read_text().startswith("# yaml-language-server: $schema=netlab.schema.json\n"), path


@pytest.mark.parametrize("name", GOOD)
def test_what_is_shipped_and_shown_is_good(name: str) -> None:
    """An editor underlines nothing in the shipped topologies, README's and the reference's."""
    assert underlined(GOOD[name][0]) == set()


def texts() -> Iterator[str]:
    """Yield every text in the tests that looks like a topology."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "nodes:" in node.value:
                yield node.value


def test_what_the_tests_take_for_good_is_good() -> None:
    """So it is with every topology that is written down in a test and loads."""
    good = [text for text in texts() if not faults(text, ROOT / "topologies")]
    assert len(good) > 80
    assert [text for text in good if underlined(text)] == []


@pytest.mark.parametrize("name", GOOD)
@settings(max_examples=25)
@given(edits=st.lists(EDITS, min_size=1, max_size=4))
def test_a_spoilt_one_that_loads_is_good(name: str, edits: list[tuple[str, int, int, str]]) -> None:
    """Whatever becomes of a good file, an editor finds nothing wrong where the loader does not."""
    good, directory = GOOD[name]
    text = changed(good, edits)
    if not faults(text, directory):
        assert underlined(text) == set()


@pytest.mark.parametrize("case", sorted(set(CASES) - set(UNREAD)))
def test_what_is_wrong_is_underlined(case: str) -> None:
    """An editor marks the very token that the loader complains of, unless the table says why it does not."""
    patterns = [pattern for group in UNSEEN.values() for pattern in group]
    unexplained = [
        str(fault)
        for where, fault in unseen()
        if where == case and not any(re.search(pattern, fault.what) for pattern in patterns)
    ]
    assert unexplained == []


@pytest.mark.parametrize("case", UNREAD)
def test_what_no_schema_is_asked_about(case: str) -> None:
    """These files end before a schema is looked at."""
    with pytest.raises((UnreadableError, TooLargeError, UnicodeDecodeError)):
        underlined((BAD / f"{case}.yaml").read_text(encoding="utf-8"))


def test_no_row_is_stale() -> None:
    """Each row of the tables stands for a fault that there is."""
    told = [fault.what for _, fault in unseen()]
    rows = [pattern for group in UNSEEN.values() for pattern in group]
    assert [row for row in rows if not any(re.search(row, what) for what in told)] == []
    assert set(UNREAD) <= set(CASES)
