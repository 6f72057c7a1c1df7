"""What a topology file means, in its long form; what it must not say is in test_faults.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from netlab.errors import Place
from netlab.topology import load, parse
from netlab.topology.model import HttpService, Topology
from netlab.topology.vocabulary import BACKENDS


def read(text: str, directory: Path = Path("/nowhere")) -> Topology:
    """Read a topology from a file that is called lab.yaml."""
    return parse(text, file="lab.yaml", directory=directory)


def test_everything_has_a_default() -> None:
    """A node's bare name is a whole topology, and each default is the one that is stated."""
    topology = read("nodes: {client: }")
    assert (topology.name, topology.seed, topology.search, topology.resolver) == (
        "lab",
        2012,
        "lab.test",
        None,
    )
    assert [(one.name, str(one.subnet)) for one in topology.networks] == [("lan", "10.0.0.0/24")]
    assert [one.name for one in topology.node("client").interfaces] == ["eth0"]
    assert [str(one.address) for one in topology.node("client").interfaces] == ["10.0.0.1"]
    assert (topology.backend, topology.node("client").image) == ("netns", None)
    assert topology.places == {"client": Place("lab.yaml", 1, 9)}


def test_short_forms_are_the_long_forms() -> None:
    """An address, or a subnet, alone means the same as its long form."""
    short = read("networks: {lan: 10.1.0.0/16}\nnodes: {a: {address: 10.1.2.3}}")
    long = read("networks: {lan: {subnet: 10.1.0.0/16}}\nnodes: {a: {interfaces: {lan: 10.1.2.3}}}")
    assert short == long


def test_empty_values_are_defaults() -> None:
    """A key that is left empty means the same as one that is left out."""
    empty = (
        "name:\nseed:\nbackend:\nsearch:\nresolver:\nnetworks:\n"
        "nodes: {a: {address: , services: , firewall: , image: }}"
    )
    assert read(empty) == read("nodes: {a: }")


@pytest.mark.parametrize("seed", [0, 2012, 2**64 - 1])
def test_seed_has_64_bits(seed: int) -> None:
    """Both ends of the range are in it."""
    assert read(f"seed: {seed}\nnodes: {{a: }}").seed == seed


def test_resolver_is_the_first_that_serves_or_the_one_named() -> None:
    """Without a word, the first node with a dns service answers; with one, the node that is named."""
    nodes = "nodes:\n  a:\n" + "".join(
        f"  {name}: {{services: {{dns: {{zones: {{lab.test: {{www: 192.0.2.80}}}}}}}}}}\n" for name in "bc"
    )
    assert read(nodes).resolver == "b"
    assert read("resolver: c\n" + nodes).resolver == "c"


@pytest.mark.parametrize("name", BACKENDS)
def test_each_backend_can_be_named(name: str) -> None:
    """A topology says what its nodes are made of; nothing else of it changes by that."""
    topology = read(f"backend: {name}\nnodes: {{a: }}")
    assert topology.backend == name
    assert replace(topology, backend="netns", places={}) == replace(read("nodes: {a: }"), places={})


@pytest.mark.parametrize("image", ["python:3.10", "nginx", "127.0.0.1:5000/web:1e3", "2a"])
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_an_image_is_its_text(image: str, quote: str) -> None:
    """A tag that looks like a number stays what was written, in block style and in braces."""
    written = f"{quote}{image}{quote}"
    block = read(f"backend: docker\nnodes:\n  web:\n    image: {written}\n")
    braces = read(f"backend: docker\nnodes: {{web: {{image: {written}}}}}")
    assert block.node("web").image == braces.node("web").image == image
    assert block.places["web.image"] == Place("lab.yaml", 4, 12)


def test_keys_are_their_text() -> None:
    """What YAML would read as a number, true or null is a name where a name stands."""
    topology = read("nodes: {1e3: , no: , null: , on: }")
    assert [node.name for node in topology.nodes] == ["1e3", "no", "null", "on"]


def test_aliases_stand_for_what_they_name() -> None:
    """An anchor's value may stand in several places."""
    topology = read("nodes:\n  a: &plain {firewall: [hold-back-rst]}\n  b: *plain\n")
    assert topology.node("a").firewall == topology.node("b").firewall == ("hold-back-rst",)


def test_http_content_is_absolute(tmp_path: Path) -> None:
    """The content is found relative to the file, wherever the reader stands; the port is 80."""
    (tmp_path / "www").mkdir()
    topology = read("nodes: {web: {services: {http: {content: www}}}}", tmp_path)
    assert topology.node("web").services == (HttpService((tmp_path / "www").resolve()),)


def test_shipped_topologies_differ_in_the_rule_alone(root: Path) -> None:
    """web.yaml and web-rst.yaml are the same lab, with and without the rule that holds RST back."""
    web, rst = load(root / "topologies" / "web.yaml"), load(root / "topologies" / "web-rst.yaml")
    assert web.node("client").firewall == ("hold-back-rst",)
    assert rst.node("client").firewall == ()
    assert web.networks == rst.networks
    assert web.resolver == rst.resolver == "dns"
    assert [(node.name, node.interfaces, node.services) for node in web.nodes] == [
        (node.name, node.interfaces, node.services) for node in rst.nodes
    ]


def test_shipped_page_tells_where_its_lines_are(root: Path) -> None:
    """The page exceeds one window, and each numbered line stands at the octet that it names."""
    page = (root / "topologies" / "www" / "index.html").read_bytes()
    assert 65 * 1024 <= len(page) <= 90 * 1024
    numbered = [line for line in page.splitlines(keepends=True) if b"  octet " in line]
    for number, line in enumerate(numbered, start=1):
        fields = line.split()
        assert int(fields[0]) == number
        assert page[int(fields[2]) :].startswith(line)


def test_source_is_where_the_file_is(root: Path) -> None:
    """A loaded topology knows its file; a parsed one has none."""
    assert load(root / "topologies" / "web.yaml").source == root / "topologies" / "web.yaml"
    assert read("nodes: {a: }").source is None
