"""The parameters of a node: where its ports end, and one set for each interface."""

from __future__ import annotations

from netlab.plan.model import KERNEL_PORTS
from netlab.plan.sysctls import sysctls


def test_a_kernels_ports_are_not_the_labs() -> None:
    """The range that the kernel is given is the one that reports take for its own; no lab draws from it."""
    low, high = map(int, dict(sysctls([]))["net.ipv4.ip_local_port_range"].split())
    assert range(low, high + 1) == KERNEL_PORTS
    assert not set(KERNEL_PORTS) & set(range(49152, 65536))


def test_what_is_inherited_from_the_host_is_set() -> None:
    """Buffers (with 131072 a handshake offers 64240 bytes), congestion control, forwarding, filtering."""
    found = dict(sysctls(["eth0", "eth1"]))
    assert found["net.ipv4.tcp_rmem"].split()[1] == "131072"
    assert found["net.ipv4.tcp_congestion_control"] == "reno"
    assert found["net.ipv4.ip_forward"] == "0"
    assert {key for key in found if key.endswith("rp_filter")} == {
        f"net.ipv4.conf.{each}.rp_filter" for each in ("all", "eth0", "eth1")
    }
    assert all(value == "0" for key, value in found.items() if key.endswith("rp_filter"))


def test_each_parameter_is_written_once() -> None:
    """A node's start pays for every write."""
    keys = [key for key, _ in sysctls(["eth0", "eth1"])]
    assert len(set(keys)) == len(keys)


def test_only_ipv6_brings_parameters_of_ipv6() -> None:
    """A node without IPv6 is written nothing for it; with it, its interface asks and doubts nothing."""
    assert not [key for key, _ in sysctls(["eth0"], router=True) if "ipv6" in key]
    found = dict(sysctls(["eth0", "eth1"], ipv6=["eth1"], router=True))
    assert found["net.ipv6.conf.all.forwarding"] == "1"
    for word in ("accept_ra", "router_solicitations", "accept_dad", "dad_transmits"):
        assert found[f"net.ipv6.conf.eth1.{word}"] == "0"
        assert f"net.ipv6.conf.eth0.{word}" not in found


def test_a_router_forwards() -> None:
    """Forwarding is written once, and on for a router alone."""
    keys = [key for key, _ in sysctls(["eth0"], router=True)]
    assert keys.count("net.ipv4.ip_forward") == 1
    assert dict(sysctls(["eth0"], router=True))["net.ipv4.ip_forward"] == "1"
