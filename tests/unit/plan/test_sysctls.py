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
