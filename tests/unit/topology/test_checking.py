"""Kinds that no node is of are as good, or as bad, as those that are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlab.errors import InputError
from netlab.topology import parse

DIRECTORY = Path(__file__).parents[3] / "topologies"


def faults(kind: str) -> list[str]:
    """Return what is wrong with a file whose one kind has this under it, and whose node is of none."""
    try:
        parse(f"kinds:\n  k: {kind}\nnodes: {{a: }}\n", file=str(DIRECTORY / "lab.yaml"), directory=DIRECTORY)
    except InputError as error:
        return [fault.what for fault in error.faults]
    return []


@pytest.mark.parametrize(
    "kind",
    [
        "{address: 10.0.0.9, count: 3, router: yes, default: none, nft: table inet x}",
        '{interfaces: {lan: 10.0.0.9, wan: , "net-{n}": {mac: "02:00:00:00:00:0{n}", up: off}}}',
        '{services: {dns: {zones: {lab.test: {"@": {TXT: [one, 2]}, www: [10.0.0.1, "::1"]}}}}}',
        "{services: {http: {port: 80}}}",
        "{services: {http: }, firewall: , nat: {forward: {80: web}}}",
        "{firewall: [hold-back-rst, {verdict: drop, flags: syn, port: 80}, {from: a, verdict: accept}]}",
        '{sysctls: {net.ipv4.tcp_retries2: -1, net.ipv4.tcp_rmem: "1 2 3"}, environment: {A: 1:30, B: }}',
        "{start: {ready: {port: 80}}, files: {/srv/a: {mode: '0755'}, /srv/b: , /srv/c: text}}",
        "{start: [[sleep, 1, null], server, {run: server, ready: {log: up}}], limits: {memory: 1 MiB}}",
    ],
)
def test_what_a_kind_may_say(kind: str) -> None:
    """A kind need not be complete, may take away, and may speak of what its nodes have."""
    assert faults(kind) == []


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("{router: maybe}", "'maybe' does not fit here"),
        ("{router: 1}", "'1' does not fit here"),
        ("{count: 1024}", "'1024' does not fit here"),
        ("{sysctls: {net.ipv4.tcp_rmem: [1, 2]}}", "a list stands here"),
        ("{limits: {memory: 64 MB}}", "'64 MB' does not fit here"),
        ("{firewall: [{protocol: tcp}]}", "verdict is missing"),
        ("{firewall: [{port: 80, verdict: drop}]}", "port goes only with protocol: tcp or udp"),
        ("{firewall: [{flags: [], verdict: drop}]}", "a list stands here"),
        ("{start: [{run: server, ready: {port: 80, log: up}}]}", "just one of these keys must be there"),
        ("{start: [null]}", "'null' is empty"),
        ("{services: {http: {engin: x}}}", "unknown key 'engin'"),
        ("{files: {/proc/x: hello}}", "'/proc/x' does not fit here"),
    ],
)
def test_what_a_kind_may_not_say(kind: str, what: str) -> None:
    """What no node could take over is wrong, whether there is such a node or not."""
    assert faults(kind) == [what]


def test_a_mistake_that_a_node_takes_over_is_told_once() -> None:
    """Where a node is of the kind, it is the node's reader that says what is wrong."""
    text = "kinds: {k: {router: maybe}}\nnodes: {a: {kind: k}, b: {kind: k}}\n"
    with pytest.raises(InputError) as caught:
        parse(text, file="lab.yaml", directory=DIRECTORY)
    assert [fault.hint for fault in caught.value.faults] == ["write true or false"]
