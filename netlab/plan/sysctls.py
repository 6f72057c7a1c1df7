"""The kernel parameters of every node: what would let the machine, or the moment, alter a lab's packets.

A new network namespace takes some values from the host (where a tuned buffer, another congestion control or
Docker's forwarding may stand), the rest from the kernel's version. Only what alters packets is set here, as
each costs every node a write; what all kernels set alike in a new namespace (tcp_ecn, tcp_sack, …) is not.
"""

from __future__ import annotations

from collections.abc import Iterable

from netlab.plan.model import KERNEL_PORTS

# The host's own, which a node would inherit; these are the kernel's usual ones. The first buffer
# decides the window that a handshake offers, the reno of RFC 5681 is in every kernel.
_INHERITED = (
    ("net.ipv4.tcp_rmem", "4096 131072 6291456"),
    ("net.ipv4.tcp_wmem", "4096 16384 4194304"),
    ("net.ipv4.tcp_congestion_control", "reno"),
    ("net.ipv4.ip_forward", "0"),
    ("net.ipv4.conf.all.rp_filter", "0"),
)

# What the moment decides: RFC 8985's tail loss probe fires when a script is slow, small writes are put
# together while earlier ones are under way, ACKs are saved, and a connection begins as the last one ended.
_OF_THE_MOMENT = (
    ("net.ipv4.tcp_early_retrans", "0"),
    ("net.ipv4.tcp_autocorking", "0"),
    ("net.ipv4.tcp_comp_sack_nr", "0"),
    ("-net.ipv4.tcp_backlog_ack_defer", "0"),
    ("net.ipv4.tcp_no_metrics_save", "1"),
)

# Linux 6.5 repeats a SYN four times before it backs off; RFC 6298, as older kernels, does so at once.
_OF_THE_VERSION = (("-net.ipv4.tcp_syn_linear_timeouts", "0"),)

# A neighbour that was heard from but not asked is probed so many seconds after its first use (Linux: 5):
# ARP in the midst of a slow script's trace.
_PROBE_SECONDS = 60


def sysctls(interfaces: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the parameters of a node with these interfaces, as `PlannedNode.sysctls` has them."""
    ports = ("net.ipv4.ip_local_port_range", f"{KERNEL_PORTS.start} {KERNEL_PORTS.stop - 1}")
    found = [ports, *_INHERITED, *_OF_THE_MOMENT, *_OF_THE_VERSION]
    for interface in interfaces:
        # An interface has its own, taken from the host's default; the stricter of the two would hold.
        found.append((f"net.ipv4.conf.{interface}.rp_filter", "0"))
        found.append((f"-net.ipv4.neigh.{interface}.delay_first_probe_time", str(_PROBE_SECONDS)))
    return tuple(found)
