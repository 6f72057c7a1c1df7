"""Fewer words for more — kinds, extends, count, anchors — mean what the long form says, and no more."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import InputError, Place
from netlab.topology import load, parse
from netlab.topology.model import DnsService, HttpService, Topology


def read(text: str, directory: Path = Path("/nowhere")) -> Topology:
    """Read a topology from a file that is called lab.yaml."""
    return parse(text, file=str(directory / "lab.yaml"), directory=directory)


def addresses(topology: Topology) -> dict[str, list[str]]:
    """Return the addresses of each node."""
    return {node.name: [str(one.address) for one in node.interfaces] for node in topology.nodes}


def zone(topology: Topology, node: str) -> dict[str, str]:
    """Return the A records of a node's first zone."""
    (service,) = topology.node(node).services
    assert isinstance(service, DnsService)
    return {record.owner: record.rdata for record in service.zones[0].records if record.type == "A"}


# -- kinds ---------------------------------------------------------------------------------------------


def test_a_node_of_a_kind_says_what_differs() -> None:
    """Keys are the kind's, the node's own win, and what neither says has its default."""
    short = """
kinds:
  careful: {firewall: [hold-back-rst], image: nginx}
backend: docker
nodes:
  a: {kind: careful}
  b: {kind: careful, image: caddy, address: 10.0.0.9}
  c:
"""
    long = """
backend: docker
nodes:
  a: {firewall: [hold-back-rst], image: nginx}
  b: {firewall: [hold-back-rst], image: caddy, address: 10.0.0.9}
  c:
"""
    assert read(short) == read(long)


def test_mappings_merge_and_lists_are_replaced() -> None:
    """Zones and records come together from kind and node; a list is one value, the node's."""
    topology = read("""
kinds:
  ns: {firewall: [hold-back-rst], services: {dns: {zones: {lab.test: {www: 192.0.2.80, old: [192.0.2.81]}}}}}
nodes:
  a: {kind: ns, firewall: [], services: {dns: {zones: {lab.test: {old: [192.0.2.82], new: 192.0.2.83}}}}}
""")
    assert topology.node("a").firewall == ()
    assert zone(topology, "a") == {
        "www.lab.test.": "192.0.2.80",
        "old.lab.test.": "192.0.2.82",
        "new.lab.test.": "192.0.2.83",
        "a.lab.test.": "10.0.0.1",
    }


def test_a_kind_has_a_kind() -> None:
    """Each kind says what differs from the one it is of, in whatever order they stand in the file."""
    topology = read("""
kinds:
  c: {kind: b, address: 10.0.0.7}
  b: {kind: a, image: caddy}
  a: {image: nginx, firewall: [hold-back-rst]}
backend: docker
nodes: {x: {kind: c}}
""")
    node = topology.node("x")
    assert (node.image, node.firewall) == ("caddy", ("hold-back-rst",))
    assert addresses(topology) == {"x": ["10.0.0.7"]}


@pytest.mark.parametrize(
    ("said", "rules"), [("firewall: ", ("hold-back-rst",)), ("firewall: null", ()), ("firewall: ~", ())]
)
def test_empty_says_nothing_and_null_takes_away(said: str, rules: tuple[str, ...]) -> None:
    """A key left empty is one left out, so that the kind's holds; null takes the kind's away."""
    text = f"kinds: {{k: {{firewall: [hold-back-rst]}}}}\nnodes: {{a: {{kind: k, {said}}}}}"
    assert read(text).node("a").firewall == rules


def test_an_address_is_that_of_the_one_interface() -> None:
    """An address alone, of a kind or over it, means the only interface that the other one names."""
    below = read("kinds: {k: {address: 10.0.0.5}}\nnodes: {a: {kind: k, interfaces: {lan: {up: true}}}}")
    above = read("kinds: {k: {interfaces: {lan: 10.0.0.6}}}\nnodes: {a: {kind: k, address: 10.0.0.5}}")
    assert below.nodes == above.nodes == read("nodes: {a: {address: 10.0.0.5}}").nodes
    networks = "networks: {lan: 10.0.0.0/24, lab: 10.1.0.0/24}\nkinds: {k: {address: 10.0.0.5}}\n"
    with pytest.raises(InputError, match="both address and interfaces are there"):
        read(networks + "nodes: {a: {kind: k, interfaces: {lan: , lab: }}}")
    taken = read(
        networks
        + "nodes: {a: {kind: k, address: null, interfaces: {lan: , lab: }}, b: {interfaces: {lan: , lab: }}}"
    )
    assert addresses(taken)["a"] == ["10.0.0.1", "10.1.0.1"]
    kind = "kinds: {k: {address: 10.0.0.5}}\n"
    automatic = read(kind + "nodes: {a: {kind: k, address: null, interfaces: {lan: }}}")
    assert addresses(automatic) == {"a": ["10.0.0.1"]}


def test_an_interface_left_empty_keeps_the_kinds_address() -> None:
    """`lan:` says that the node is on lan, which its kind has said already; lab comes after it, as eth1."""
    topology = read("""
networks: {lan: 10.0.0.0/24, lab: 10.1.0.0/24}
kinds: {k: {interfaces: {lan: 10.0.0.5}}}
nodes: {a: {kind: k, interfaces: {lab: , lan: }}, b: {interfaces: {lan: , lab: }}}
""")
    assert [(one.name, one.network) for one in topology.node("a").interfaces] == [
        ("eth0", "lan"),
        ("eth1", "lab"),
    ]
    assert addresses(topology)["a"] == ["10.0.0.5", "10.1.0.1"]


KEYS = (
    "address: 10.0.0.9",
    "image: nginx",
    "firewall: [hold-back-rst]",
    "environment: {COLOUR: blue}",
    "services: {dns: {zones: {lab.test: {www: 192.0.2.80}}}}",
)


@given(st.lists(st.integers(0, 2), min_size=len(KEYS), max_size=len(KEYS)))
def test_it_does_not_matter_who_says_a_key(places: list[int]) -> None:
    """A node's keys may stand in it, in its kind or in the kind of that: the topology is the same."""
    own, kind, below = (
        ", ".join(key for key, at in zip(KEYS, places, strict=True) if at == of) for of in range(3)
    )
    kinds = f"kinds: {{k: {{kind: b, {kind}}}, b: {{{below}}}}}"
    short = read(f"backend: docker\n{kinds}\nnodes: {{a: {{kind: k, {own}}}}}")
    assert short == read(f"backend: docker\nnodes: {{a: {{{', '.join(KEYS)}}}}}")


# -- anchors -------------------------------------------------------------------------------------------


def test_merge_keys() -> None:
    """YAML's << merges a mapping or a list of them: own keys win, then the first of the list."""
    topology = read(
        """
backend: docker
nodes:
  a: &a {image: nginx, firewall: [hold-back-rst]}
  b: &b {image: caddy, address: 10.0.0.9}
  c: {image: httpd, <<: *a}
  d: {<<: [*a, *b], address: 10.0.0.10}
  "<<x": {<<: }
""".replace('  "<<x": {<<: }\n', "  e: {<<: }\n")
    )
    images = {node.name: node.image for node in topology.nodes}
    assert images == {"a": "nginx", "b": "caddy", "c": "httpd", "d": "nginx", "e": None}
    assert topology.node("c").firewall == topology.node("d").firewall == ("hold-back-rst",)
    assert addresses(topology)["d"] == ["10.0.0.10"]


# -- count ---------------------------------------------------------------------------------------------


def test_count_makes_nodes_with_numbers() -> None:
    """Names end in the number; addresses go up from the one that is given, and others go round them."""
    topology = read("nodes: {first: , h: {count: 3, address: 10.0.0.2}, last: , more: {count: 2}}")
    assert addresses(topology) == {
        "first": ["10.0.0.1"],
        "h-1": ["10.0.0.2"],
        "h-2": ["10.0.0.3"],
        "h-3": ["10.0.0.4"],
        "last": ["10.0.0.5"],
        "more-1": ["10.0.0.6"],
        "more-2": ["10.0.0.7"],
    }
    assert topology.places["h-2"] == Place("/nowhere/lab.yaml", 1, 18)


def test_count_goes_up_on_each_network() -> None:
    """Of several interfaces each has its own first address, in the short form and in the long one."""
    topology = read(
        """
networks: {lan: 10.0.0.0/24, lab: {subnet: 10.1.0.0/24, subnet6: "fd00:1::/64"}}
nodes: {h: {count: 2, interfaces: {lan: 10.0.0.9, lab: {address: 10.1.0.254, address6: "fd00:1::ff"}}}}
""".replace(".254", ".253")
    )
    assert addresses(topology) == {"h-1": ["10.0.0.9", "10.1.0.253"], "h-2": ["10.0.0.10", "10.1.0.254"]}
    assert [str(node.interfaces[1].address6) for node in topology.nodes] == ["fd00:1::ff", "fd00:1::100"]


def test_the_number_stands_for_itself_in_every_text() -> None:
    """`{n}` in a text of a counted node is its number, in keys as in values; elsewhere it is itself."""
    topology = read("""
backend: docker
nodes:
  h:
    count: 2
    address: 10.0.0.1{n}
    image: web:{n}
    environment: {WHO: "h{n} of 2"}
    services: {dns: {zones: {lab.test: {"www{n}": "192.0.2.9{n}"}}}}
  ns: {services: {dns: {zones: {lab.test: {www: {TXT: "{n}"}}}}}}
""")
    assert [node.image for node in topology.nodes] == ["web:1", "web:2", None]
    assert dict(topology.node("h-2").provisions.environment) == {"WHO": "h2 of 2"}
    assert addresses(topology)["h-2"] == ["10.0.0.12"]
    assert zone(topology, "h-2")["www2.lab.test."] == "192.0.2.92"
    (service,) = topology.node("ns").services
    assert isinstance(service, DnsService)
    assert '"{n}"' in [record.rdata for record in service.zones[0].records]


def test_a_kind_counts() -> None:
    """A count comes from a kind as any key does."""
    assert list(addresses(read("kinds: {k: {count: 2}}\nnodes: {a: {kind: k}, b: {kind: k, count: 1}}"))) == [
        "a-1",
        "a-2",
        "b-1",
    ]


@given(st.integers(1, 200), st.integers(1, 253))
def test_count_is_the_long_form(many: int, first: int) -> None:
    """A counted node is the same topology as its copies written out, or does not fit where they do not."""
    short = f"nodes: {{h: {{count: {many}, address: 10.0.0.{first}}}}}"
    long = ", ".join(f"h-{index + 1}: {{address: 10.0.0.{first + index}}}" for index in range(many))
    if first + many - 1 > 254:
        with pytest.raises(InputError) as caught:
            read(short)
        assert len(caught.value.faults) == 1
    else:
        assert read(short) == read(f"nodes: {{{long}}}")


# -- extends -------------------------------------------------------------------------------------------

BASE = """
name: base
seed: 7
networks: {lan: 10.0.0.0/24}
nodes:
  client: {address: 10.0.0.10, firewall: [hold-back-rst]}
  dns: {services: {dns: {zones: {lab.test: {www: 10.0.0.80}}}}}
  web: {address: 10.0.0.80}
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Give a directory with a file to extend."""
    (tmp_path / "base.yaml").write_text(BASE)
    return tmp_path


def test_a_variation_says_what_differs(base: Path) -> None:
    """Keys win, nodes come in addition, null takes one away; the lab's name is its own."""
    topology = read("extends: base.yaml\nnodes: {client: {address: 10.0.0.11}, web: null, extra: }", base)
    assert (topology.name, topology.seed) == ("lab", 7)
    assert addresses(topology) == {"client": ["10.0.0.11"], "dns": ["10.0.0.1"], "extra": ["10.0.0.2"]}
    assert topology.node("client").firewall == ("hold-back-rst",)


def test_a_name_alone_takes_nothing_away(base: Path) -> None:
    """A node left empty is the one of the file below it."""
    topology = read("extends: base.yaml\nnodes: {client: , dns: , web: }", base)
    whole = read(BASE.replace("name: base", "name: lab"))
    assert (topology.nodes, topology.networks) == (whole.nodes, whole.networks)


def test_short_forms_merge_with_long_ones(base: Path) -> None:
    """A network's or an interface's address alone is its long form, when a variation adds to it."""
    topology = read(
        "extends: base.yaml\nnetworks: {lan: {mtu: 1400}}\n"
        "nodes: {client: {interfaces: {lan: 10.0.0.12}}, web: {interfaces: {lan: {mac: 02:00:00:00:00:07}}}}",
        base,
    )
    assert topology.node("web").interfaces[0].mac == "02:00:00:00:00:07"
    assert [(str(one.subnet), one.mtu) for one in topology.networks] == [("10.0.0.0/24", 1400)]
    assert (addresses(topology)["client"], addresses(topology)["web"]) == (["10.0.0.12"], ["10.0.0.80"])


def test_a_chain_of_files(base: Path) -> None:
    """Ten files extend each other; a path starts from the file it stands in, for contents too."""
    (base / "far" / "www").mkdir(parents=True)
    (base / "far" / "0.yaml").write_text(
        "extends: ../base.yaml\nnodes: {web: {services: {http: {content: www}}}}"
    )
    for number in range(1, 8):
        (base / "far" / f"{number}.yaml").write_text(f"extends: {number - 1}.yaml\nseed: {number}")
    (base / "8.yaml").write_text("extends: far/7.yaml")
    topology = read("extends: 8.yaml", base)
    assert topology.seed == 7
    assert topology.node("web").services == (HttpService((base / "far" / "www").resolve()),)
    assert topology.places["web"] == Place(str(base / "far" / "0.yaml"), 2, 9)


def test_kinds_are_extended_before_they_are_taken_over(base: Path) -> None:
    """A variation changes every node of a kind in one line."""
    (base / "kinds.yaml").write_text(
        "kinds: {h: {firewall: [hold-back-rst]}}\nnodes: {a: {kind: h}, b: {kind: h}}"
    )
    topology = read("extends: kinds.yaml\nkinds: {h: {firewall: []}}", base)
    assert [node.firewall for node in topology.nodes] == [(), ()]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Only an ordinary file is extended: nobody may ever write to anything else."""
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="'pipe' is no ordinary file"):
        read("extends: pipe", tmp_path)


def test_files_are_bounded_together(tmp_path: Path) -> None:
    """Files of less than 1 MiB each may not come to more by extending each other."""
    for number in range(3):
        (tmp_path / f"{number}.yaml").write_text(f"extends: {number + 1}.yaml\n" + "#" * 400_000)
    (tmp_path / "3.yaml").write_text("nodes: {a: }")
    with pytest.raises(InputError, match="larger than 1 MiB together"):
        read("extends: 0.yaml", tmp_path)


# -- bounds --------------------------------------------------------------------------------------------

HUGE = {
    "a kind of many": "kinds: {k: {firewall: [" + "x, " * 2000 + "]}}\nnodes:\n"
    + "".join(f"  a{number}: {{kind: k, image: x}}\n" for number in range(20_000)),
    "kinds of kinds": "kinds:\n  k: {firewall: [" + "x, " * 2000 + "]}\n"
    + "".join(f"  k{number}: {{kind: k, image: x}}\n" for number in range(20_000)) + "nodes: {a: }\n",
    "counts of many": "nodes:\n"
    + "".join(f"  a{number}: {{count: 1000, image: 'x{{n}}'}}\n" for number in range(10_000)),
}  # fmt: skip


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_little_text_cannot_ask_for_much(text: str) -> None:
    """What kinds and counts come to is bounded as aliases are, and found before the work is done."""
    began = time.process_time()
    with pytest.raises(InputError, match="come to more than 200000 values"):
        read(text)
    assert time.process_time() - began < 10


def test_the_shipped_star_is_a_hundred_clients(root: Path) -> None:
    """One entry of it stands for a hundred nodes, of which the last has the last address."""
    star = load(root / "topologies" / "star-100.yaml")
    assert len(star.nodes) == 102
    assert addresses(star)["client-100"] == ["10.0.0.200"]
