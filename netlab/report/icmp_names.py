"""The names of ICMP's and ICMPv6's messages, as one word each (IANA's registries, shortened)."""

from __future__ import annotations

from collections.abc import Mapping

ICMP_ERRORS: Mapping[int, tuple[int, ...]] = {
    4: (3, 4, 5, 11, 12),
    6: (1, 2, 3, 4, 137),
}  # types that quote a packet

# By version, then (type, code), where the code says more than the type; else by type alone.
_BY_CODE = {
    4: {
        (3, 0): "network-unreachable",
        (3, 1): "host-unreachable",
        (3, 2): "protocol-unreachable",
        (3, 3): "port-unreachable",
        (3, 4): "fragmentation-needed",
        (3, 9): "network-prohibited",
        (3, 10): "host-prohibited",
        (3, 13): "administratively-prohibited",
        (11, 1): "reassembly-time-exceeded",
    },
    6: {
        (1, 0): "no-route",
        (1, 1): "administratively-prohibited",
        (1, 3): "address-unreachable",
        (1, 4): "port-unreachable",
        (3, 1): "reassembly-time-exceeded",
    },
}
_BY_TYPE = {
    4: {
        0: "echo-reply",
        3: "unreachable",
        5: "redirect",
        8: "echo-request",
        9: "router-advertisement",
        10: "router-solicitation",
        11: "time-exceeded",
        12: "parameter-problem",
        13: "timestamp-request",
        14: "timestamp-reply",
    },
    6: {
        1: "unreachable",
        2: "packet-too-big",
        3: "time-exceeded",
        4: "parameter-problem",
        128: "echo-request",
        129: "echo-reply",
        130: "listener-query",
        131: "listener-report",
        132: "listener-done",
        133: "router-solicitation",
        134: "router-advertisement",
        135: "neighbour-solicitation",
        136: "neighbour-advertisement",
        137: "redirect",
        143: "listener-report-v2",
    },
}


def icmp_name(version: int, kind: int, code: int) -> str:
    """Return a message's name; one that has none is told by its numbers."""
    named = _BY_CODE[version].get((kind, code)) or _BY_TYPE[version].get(kind)
    return named or f"type-{kind}-code-{code}"
