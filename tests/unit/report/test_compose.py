"""A plan as a Compose file: what it says, read back as any reader of YAML does."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from netlab import topology
from netlab.errors import UsageError
from netlab.plan import make_plan
from netlab.plan.model import Plan
from netlab.report.compose import Mount, Placement, text

WWW = Mount("./www", "/lab/www")
PLACE = Placement("lab.compose.yaml", "netlab:1", Mount("./lab.yaml", "/lab/lab.yaml"), (WWW,))
# Names that a reader of YAML could take for something else, two networks, images with and without work
# beside them.
ODD = """
name: Odd
networks: {lan: 10.0.0.0/24, "on": 10.1.0.0/29}
nodes:
  router: {interfaces: {"on": 10.1.0.1, lan: 10.0.0.1}}
  "no": {interfaces: {lan: 10.0.0.254}}
  1e3: {interfaces: {"on": }, image: "redis:7"}
  guarded: {interfaces: {lan: }, image: "registry.test:5000/web@sha256:0123456789abcdef0123456789abcdef", firewall: [hold-back-rst]}
  site: {interfaces: {lan: }, image: python, services: {http: {content: www}}}
"""  # noqa: E501 — a file as it stands


def planned(words: str, tmp_path: Path) -> Plan:
    """Plan a topology's text, in a directory that has a www."""
    (tmp_path / "www").mkdir(exist_ok=True)
    loaded = topology.parse(words, file="lab.yaml", directory=tmp_path)
    return make_plan(loaded, backend="docker")


def read(written: str) -> dict[str, Any]:
    """Read a file as Compose does: references resolved, and a doubled dollar sign is one."""
    found = yaml.safe_load(written)
    assert isinstance(found, dict)
    return found


def test_the_shipped_lab(root: Path, golden: Callable[[str, str], None]) -> None:
    """The file of web.yaml is what was agreed, word for word."""
    plan = make_plan(topology.load(root / "topologies" / "web.yaml"))
    golden("compose/web.yaml", text(plan, PLACE))


def test_images_and_several_networks(tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    """So is that of a lab with images, a router, no name server and odd names."""
    golden("compose/odd.yaml", text(planned(ODD, tmp_path), PLACE))


def test_it_is_the_plan(tmp_path: Path) -> None:
    """Every address, MAC, host and kernel parameter in it is the plan's; nobody else has one."""
    plan = planned(ODD, tmp_path)
    file = read(text(plan, PLACE))
    for node in plan.nodes:
        service = file["services"][node.name]
        assert service["hostname"] == node.name
        for port in node.ports:
            own = service["networks"][port.switch]
            assert own["ipv4_address"] == str(port.address.ip)
            assert own.get("mac_address", service.get("mac_address")) == port.mac
            assert port.address.network == ipaddress.ip_network(
                file["networks"][port.switch]["ipam"]["config"][0]["subnet"]
            )
            assert f"{node.name}:{port.address.ip}" in service["extra_hosts"]
        assert service["sysctls"].items() <= dict(node.sysctls).items()
        ranks = [service["networks"][port.switch].get("priority", 0) for port in node.ports]
        assert ranks == sorted(ranks, reverse=True)
    assert sorted(file["services"]) == sorted([*(n.name for n in plan.nodes), "guarded.image", "site.image"])


def test_every_container_is_shut_in(tmp_path: Path) -> None:
    """Each is on internal networks alone, or on another's; none has more capabilities than it needs."""
    file = read(text(planned(ODD, tmp_path), PLACE))
    for name, service in file["services"].items():
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert {"mem_limit", "cpus", "pids_limit"} <= service.keys()
        assert not {"ports", "expose", "privileged", "pid", "devices", "restart"} & service.keys()
        assert ("networks" in service) != (service.get("network_mode") == f"service:{name.split('.')[0]}")
        assert all(volume["read_only"] for volume in service.get("volumes", []))
        assert not {"SYS_ADMIN", "SYS_PTRACE", "ALL"} & set(service["cap_add"])
    for network in file["networks"].values():
        assert network["internal"] is True
        assert network["driver_opts"]["com.docker.network.bridge.inhibit_ipv4"] == "true"


def test_rules_and_services_have_a_container_of_netlab_s_image(tmp_path: Path) -> None:
    """An image needs neither nft nor Python: what the node does besides is done beside it."""
    services = read(text(planned(ODD, tmp_path), PLACE))["services"]
    for node, image in (
        ("guarded", "registry.test:5000/web@sha256:" + "0123456789abcdef" * 2),
        ("site", "python"),
    ):
        assert services[node]["image"] == "netlab:1"
        assert services[f"{node}.image"]["image"] == image
        assert "command" not in services[f"{node}.image"]
    shell, option, script = services["guarded"]["command"]
    assert (shell, option) == ("sh", "-c")
    assert "nft 'add rule inet netlab output tcp flags & rst == rst counter drop'\n" in script
    assert script.endswith("exec sleep infinity\n")
    assert services["site"]["command"] == ["python3", "-m", "netlab.services", "/lab/lab.yaml", "site"]
    assert [volume["target"] for volume in services["site"]["volumes"]] == ["/lab/lab.yaml", "/lab/www"]
    assert services["1e3"]["image"] == "redis:7"
    assert "command" not in services["1e3"]


def test_a_lab_without_a_name_server_asks_none(tmp_path: Path) -> None:
    """Left out, `dns` would be the machine's own servers, which some engines ask from outside the network."""
    (service,) = read(text(planned("name: a\nnodes: {one: }", tmp_path), PLACE))["services"].values()
    assert (service["dns"], service["dns_search"]) == (["127.0.0.1"], ["."])


@given(taken=st.sets(st.integers(1, 14), min_size=1))
def test_the_engine_s_address_is_nobody_s(taken: set[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Docker sets an address of each network aside; where the nodes have all, that is said instead."""
    nodes = ", ".join(f"n{number}: {{address: 10.0.0.{number}}}" for number in taken)
    words = f"name: a\nnetworks: {{lan: 10.0.0.0/28}}\nnodes: {{{nodes}}}"
    plan = planned(words, tmp_path_factory.getbasetemp())
    if len(taken) == 14:
        with pytest.raises(UsageError, match="'lan' cannot be exported: its nodes have every address"):
            text(plan, PLACE)
        return
    (config,) = read(text(plan, PLACE))["networks"]["lan"]["ipam"]["config"]
    gateway = ipaddress.ip_address(config["gateway"])
    assert gateway in ipaddress.ip_network(config["subnet"])
    assert int(gateway) & 15 in set(range(1, 15)) - taken


def test_a_full_network_cannot_be_exported(tmp_path: Path) -> None:
    """The smallest one: two nodes on a /30."""
    words = "name: a\nnetworks: {lan: 10.0.0.0/30}\nnodes: {one: , two: }"
    with pytest.raises(UsageError, match="choose a shorter prefix"):
        text(planned(words, tmp_path), PLACE)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_path_comes_back_as_it_is(tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    """Quotes, line ends, signs that nobody sees: YAML gives back what was put in, dollar signs doubled."""
    plan = planned(ODD, tmp_path_factory.getbasetemp())
    place = Placement(path, path, Mount(path, "/lab/" + path), ())
    service = read(text(plan, place))["services"]["site"]
    doubled = path.replace("$", "$$")
    assert service["volumes"] == [
        {"type": "bind", "source": doubled, "target": "/lab/" + doubled, "read_only": True}
    ]
    assert service["image"] == doubled
    assert service["command"][3] == "/lab/" + doubled


def test_a_network_without_nodes_is_left_out(tmp_path: Path) -> None:
    """Compose would not make it either."""
    words = "name: a\nnetworks: {lan: 10.0.0.0/24, spare: 10.1.0.0/24}\nnodes: {one: {interfaces: {lan: }}}"
    assert list(read(text(planned(words, tmp_path), PLACE))["networks"]) == ["lan"]


def test_wires_do_not_come_along(tmp_path: Path) -> None:
    """The file's head says so, and whose they are; of a lab without wires it says nothing."""
    lossy = text(planned("nodes: {a: , b: {wire: {loss: 5%}}}", tmp_path), PLACE)
    assert "# * Wires: every packet goes on at once and as it is (b).\n" in lossy
    assert "Wires" not in text(planned("nodes: {a: , b: }", tmp_path), PLACE)
