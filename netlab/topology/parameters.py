"""What can be known of a node's `sysctls:` without a kernel: groups, interfaces, numbers, IPv6 taken away.

`netlab.topology.provisions` reads them; whether there is such a parameter is the kernel's to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from netlab.topology import reader, values
from netlab.topology.faults import Faults, shown
from netlab.topology.model import Node
from netlab.topology.reader import Scalar, Value

# What Linux may have below /proc/sys/net, some of it only with a module; the last are seldom meant.
_GROUPS = ("core", "ipv4", "ipv6", "netfilter", "nf_conntrack_max", "unix", "bridge", "mptcp", "sctp")
_SELDOM = "appletalk ax25 dccp iw_cm llc mpls netrom phonet rds rose rxrpc smc sunrpc tipc vsock x25"
_FAMILIES = ("ipv4", "ipv6")
_GROUPS_WITHIN = ("conf", "neigh", "route", "icmp")

# One number each; of `conf` and `neigh` all are but stable_secret.
_NUMBERS = frozenset(
    """
    ipv4.icmp_echo_ignore_all ipv4.icmp_echo_ignore_broadcasts ipv4.icmp_ignore_bogus_error_responses
    ipv4.icmp_msgs_per_sec ipv4.icmp_ratelimit ipv4.icmp_ratemask ipv4.ip_default_ttl ipv4.ip_dynaddr
    ipv4.ip_early_demux ipv4.ip_forward ipv4.ip_no_pmtu_disc ipv4.ip_nonlocal_bind
    ipv4.ip_unprivileged_port_start ipv4.ipfrag_time ipv4.tcp_abort_on_overflow ipv4.tcp_adv_win_scale
    ipv4.tcp_app_win ipv4.tcp_autocorking ipv4.tcp_base_mss ipv4.tcp_challenge_ack_limit ipv4.tcp_dsack
    ipv4.tcp_early_retrans ipv4.tcp_ecn ipv4.tcp_ecn_fallback ipv4.tcp_fack ipv4.tcp_fastopen
    ipv4.tcp_fin_timeout ipv4.tcp_frto ipv4.tcp_keepalive_intvl ipv4.tcp_keepalive_probes
    ipv4.tcp_keepalive_time ipv4.tcp_limit_output_bytes ipv4.tcp_max_orphans ipv4.tcp_max_reordering
    ipv4.tcp_max_syn_backlog ipv4.tcp_max_tw_buckets ipv4.tcp_min_snd_mss ipv4.tcp_moderate_rcvbuf
    ipv4.tcp_mtu_probing ipv4.tcp_no_metrics_save ipv4.tcp_notsent_lowat ipv4.tcp_orphan_retries
    ipv4.tcp_pacing_ca_ratio ipv4.tcp_pacing_ss_ratio ipv4.tcp_recovery ipv4.tcp_reordering
    ipv4.tcp_retrans_collapse ipv4.tcp_retries1 ipv4.tcp_retries2 ipv4.tcp_rfc1337 ipv4.tcp_sack
    ipv4.tcp_slow_start_after_idle ipv4.tcp_stdurg ipv4.tcp_syn_linear_timeouts ipv4.tcp_syn_retries
    ipv4.tcp_synack_retries ipv4.tcp_syncookies ipv4.tcp_thin_linear_timeouts ipv4.tcp_timestamps
    ipv4.tcp_tso_win_divisor ipv4.tcp_tw_reuse ipv4.tcp_window_scaling ipv4.tcp_workaround_signed_windows
    ipv4.udp_early_demux ipv4.udp_rmem_min ipv4.udp_wmem_min ipv6.auto_flowlabels ipv6.bindv6only
    ipv6.idgen_delay ipv6.idgen_retries ipv6.ip_nonlocal_bind core.netdev_budget core.netdev_max_backlog
    core.optmem_max core.rmem_default core.rmem_max core.somaxconn core.wmem_default core.wmem_max
    """.split()  # noqa: SIM905 — as above
)
_NUMBER = re.compile(r"-?(0[xX][0-9a-fA-F]+|[0-9]+)")


def check(node: Node, known: Mapping[str, Value], faults: Faults) -> None:
    """Note what no kernel would take from a node; `known` are its keys, as the file has them."""
    written = known.get("sysctls")
    read = dict(node.provisions.sysctls)
    for key, entry in written.entries if isinstance(written, reader.Mapping) else ():
        if key.text in read and isinstance(entry, Scalar):
            _check(key, entry, node, _interfaces(node, known), faults)


def _interfaces(node: Node, known: Mapping[str, Value]) -> list[str]:
    """Return the names of a node's interfaces, of those too where an address has a fault."""
    written = known.get("interfaces")
    many = len(written.entries) if isinstance(written, reader.Mapping) else 1
    return [f"eth{index}" for index in range(max(many, len(node.interfaces)))]


def _check(key: Scalar, value: Scalar, node: Node, interfaces: list[str], faults: Faults) -> None:
    _, group, *rest = key.text.split(".")
    if group not in (*_GROUPS, *_SELDOM.split()):
        what = f"there are no parameters below net.{group}"
        faults.add(key.mark, what, values.suggest(group, _GROUPS))
        return
    if group in _FAMILIES and (not rest or (len(rest) == 1 and rest[0] in _GROUPS_WITHIN)):
        faults.add(key.mark, f"{shown(key.text)} is a group of parameters", "write the whole name of one")
        return
    one = rest[1] if len(rest) > 1 and rest[0] in ("conf", "neigh") and group in _FAMILIES else None
    if one is not None:
        shared = ["default", "all", "lo"] if rest[0] == "conf" else ["default", "lo"]
        if one not in (*shared, *interfaces):
            what = f"the node {shown(node.name)} has no interface {shown(one)}"
            faults.add(key.mark, what, values.suggest(one, [*interfaces, *shared]))
            return
    numeric = one is not None and rest[-1] != "stable_secret"
    if (numeric or key.text.removeprefix("net.") in _NUMBERS) and not _NUMBER.fullmatch(value.text.strip()):
        hint = "write one, as 0 or 1"
        faults.add(value.mark, f"{key.text} is a number, and {shown(value.text)} is none", hint)
    elif group == "ipv6" and rest[0] == "conf" and rest[2:] == ["disable_ipv6"]:
        _check_disabled(one or "", value, node, faults)


def _check_disabled(one: str, value: Scalar, node: Node, faults: Faults) -> None:
    """Note that IPv6 is taken from an interface to which its network gives an address of it."""
    having = [each for each in node.interfaces if each.address6 and one in ("all", each.name)]
    if having and int(value.text, 0):
        what = f"{shown(node.name)} could not have its IPv6 address on {shown(having[0].network)}"
        faults.add(value.mark, what, "write 0, or leave subnet6 out of that network")
