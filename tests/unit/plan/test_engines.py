"""Engines for one run: what is replaced, what cannot be, and where that stands in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlab.errors import InputError, UsageError
from netlab.plan import make_plan
from netlab.topology import load, parse
from netlab.topology.model import Topology

TREE = """\
nodes:
  root: {services: {dns: {engine: bind9, zones: {".": {test: {NS: b.test.}, b.test.: 10.0.0.2}}}}}
  cache:
    services:
      dns:
        engine: bind9
        recursive: true
"""


def read(text: str, directory: Path = Path("/nowhere")) -> Topology:
    """Read a topology from a file that is called lab.yaml."""
    return parse(text, file="lab.yaml", directory=directory)


def test_every_service_of_a_kind_gets_the_engine(root: Path) -> None:
    """Zones and content stay as they are, and so do the other kinds."""
    web = load(root / "topologies" / "web.yaml")
    before = make_plan(web)
    plan = make_plan(web, engines={"http": "nginx"})
    assert [one.engine for node in plan.nodes for one in node.services] == ["builtin", "nginx"]
    assert plan.node("dns") == before.node("dns")


def test_a_configuration_by_hand_is_its_engines_alone(tmp_path: Path) -> None:
    """What is written for one server is not given to another; the same engine keeps it."""
    (tmp_path / "my.conf").write_text("events {}\n")
    text = "nodes:\n  a: {services: {http: {engine: nginx, content: ., config: my.conf}}}\n  b:\n"
    topology = read(text, tmp_path)
    kept = {
        engine: make_plan(topology, engines={"http": engine}).nodes[0].services[0].config  # type: ignore[union-attr]
        for engine in ("nginx", "caddy", "builtin")
    }
    assert [bool(kept[engine]) for engine in ("nginx", "caddy", "builtin")] == [True, False, False]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"http": "nginx1"}, "there is no engine 'nginx1' for http — did you mean 'nginx'?"),
        ({"ftp": "x"}, "there are no engines for 'ftp' — known here: dns, http"),
        ({"exec": "x"}, "there are no engines for 'exec'"),
        ({"http": "nginx"}, "no node of lab lab has a service http — leave it out"),
    ],
)
def test_an_engine_that_there_is_not(chosen: dict[str, str], said: str) -> None:
    """A slip of the pen is told with what was meant, and a choice that changes nothing is one."""
    with pytest.raises(UsageError) as caught:
        make_plan(read(TREE), engines=chosen)
    assert said in str(caught.value)


def test_an_engine_that_cannot_do_what_the_file_asks() -> None:
    """The place is that of what it cannot do, or of the service whose zones it cannot serve."""
    with pytest.raises(InputError) as caught:
        make_plan(read(TREE), engines={"dns": "builtin"})
    said = "lab.yaml:7:9: the engine builtin cannot do recursive — write engine: bind9, or leave it out"
    assert str(caught.value) == said
    with pytest.raises(InputError, match=r"lab\.yaml:2:21: dnsmasq cannot serve the root zone"):
        make_plan(read(TREE), engines={"dns": "dnsmasq"})


def test_a_file_that_needs_the_engine_that_was_chosen(tmp_path: Path) -> None:
    """What its own engine cannot do is no mistake of the file's where another serves, and only there."""
    asks = {
        "bind9": "{services: {dns: {recursive: true, root: top, zones: {lab.test: {}}}}}",
        "dnsmasq": "{services: {dns: {forward: [10.0.0.1]}}}",
        "nginx": "{services: {http: {engine: caddy, content: .}}}",
        "caddy": "{services: {http: {engine: nginx, https: true, content: .}}}",
    }
    for engine, node in asks.items():
        kind = "dns" if "dns" in node else "http"
        zones = '{engine: bind9, zones: {".": {"@": {NS: top.}, top.: 10.0.0.2}}}'
        lab = tmp_path / "lab.yaml"
        lab.write_text(
            f"nodes:\n  a: {node}\n" + f"  top: {{services: {{dns: {zones}}}}}\n" * (engine == "bind9")
        )
        plan = make_plan(load(lab, engines={kind: engine}), engines={kind: engine})
        assert plan.nodes[0].services[0].engine == engine  # type: ignore[union-attr]
    with pytest.raises(InputError, match="the engine builtin cannot do https"):
        load(lab, engines={"http": "builtin"})


def test_a_configuration_that_is_nobodys(tmp_path: Path) -> None:
    """Beside no engine it is a mistake, also where one is chosen: whose it would be is not known."""
    (tmp_path / "my.conf").write_text("events {}\n")
    (tmp_path / "lab.yaml").write_text("nodes:\n  a: {services: {http: {content: ., config: my.conf}}}\n")
    with pytest.raises(InputError, match="the engine builtin cannot do config"):
        load(tmp_path / "lab.yaml", engines={"http": "nginx"})


def test_in_containers_an_engine_is_an_images() -> None:
    """The image of netlab has builtin engines alone; a node's own may have any."""
    service = "{dns: {engine: bind9, zones: {lab.test: {www: 10.0.0.1}}}}"
    text = f"backend: docker\nnodes:\n  a: {{%s services: {service}}}\n  b:\n"
    with pytest.raises(InputError) as caught:
        make_plan(read(text % ""))
    assert str(caught.value) == (
        "lab.yaml:3:19: netlab's own image has no bind9, which is to serve dns in 'a' — "
        "write image: and one that has it, below a:, or engine: builtin"
    )
    assert make_plan(read(text % "image: bind,")).backend == "docker"
