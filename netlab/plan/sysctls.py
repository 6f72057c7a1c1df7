"""The kernel parameters of every node: what would let the machine, or the moment, alter a lab's packets.

A new network namespace takes some values from the host (where a tuned buffer, another congestion control or
Docker's forwarding may stand), the rest from the kernel's version. Only what alters packets is set here, as
each costs every node a write; what all kernels set alike in a new namespace (tcp_ecn, tcp_sack, …) is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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


# The switches' own: with br_netfilter, which container engines load, a host's rules for IP would see frames
# on their way through a bridge, and one whose IP packet was cut short would go no further.
SWITCHES = tuple(
    (f"-net.bridge.bridge-nf-call-{kind}", "0") for kind in ("iptables", "ip6tables", "arptables")
)


# What makes a router: it forwards, says so when there is a shorter way, and answers each packet that ends in
# it; Linux would tell a sender at most one a second of these, which is a matter of the moment.
_ROUTER = (
    ("net.ipv4.ip_forward", "1"),
    ("net.ipv4.conf.all.send_redirects", "1"),
    ("net.ipv4.icmp_ratelimit", "0"),
)
_ROUTER6 = (("net.ipv6.conf.all.forwarding", "1"), ("net.ipv6.icmp.ratelimit", "0"))

# A container engine may have switched IPv6 off.
_IPV6 = (("net.ipv6.conf.all.disable_ipv6", "0"),)

# IPv6 of an interface that has it: a link-local address of its MAC (0: EUI-64), nothing asked of routers and
# nobody asked for addresses: those are the plan's. What is left to say of groups (MLD) is said at once.
_INTERFACE6 = (
    ("net.ipv6.conf.{}.disable_ipv6", "0"),
    ("net.ipv6.conf.{}.addr_gen_mode", "0"),
    ("net.ipv6.conf.{}.accept_ra", "0"),
    ("net.ipv6.conf.{}.router_solicitations", "0"),
    ("net.ipv6.conf.{}.accept_dad", "0"),
    ("net.ipv6.conf.{}.dad_transmits", "0"),
    ("net.ipv6.conf.{}.mldv2_unsolicited_report_interval", "1"),
    ("-net.ipv6.neigh.{}.delay_first_probe_time", str(_PROBE_SECONDS)),
)


def sysctls(
    interfaces: Sequence[str], *, ipv6: Sequence[str] = (), router: bool = False
) -> tuple[tuple[str, str], ...]:
    """Return the parameters of a node with these interfaces, as `PlannedNode.sysctls` has them.

    `ipv6` are those of them whose network has IPv6.
    """
    ports = ("net.ipv4.ip_local_port_range", f"{KERNEL_PORTS.start} {KERNEL_PORTS.stop - 1}")
    found = [ports, *_INHERITED, *_OF_THE_MOMENT, *_OF_THE_VERSION]
    if router:
        forwarding = {key for key, _ in _ROUTER}
        found = [*(one for one in found if one[0] not in forwarding), *_ROUTER]
    for interface in interfaces:
        # An interface has its own, taken from the host's default; the stricter of the two would hold.
        found.append((f"net.ipv4.conf.{interface}.rp_filter", "0"))
        found.append((f"-net.ipv4.neigh.{interface}.delay_first_probe_time", str(_PROBE_SECONDS)))
    return (*found, *_of_ipv6(ipv6, router=router))


def _of_ipv6(interfaces: Sequence[str], *, router: bool) -> Iterator[tuple[str, str]]:
    """Yield what a node needs for IPv6; nothing where none of its interfaces has it."""
    if interfaces:
        yield from (*_IPV6, *(_ROUTER6 if router else ()))
    for interface in interfaces:
        yield from ((key.format(interface), value) for key, value in _INTERFACE6)
