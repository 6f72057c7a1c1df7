"""Words of other tools (Compose, ip, libvirt, …) for what has another one here, where no likeness tells."""

from __future__ import annotations

from collections.abc import Collection, Mapping

# Word → the keys that it may be meant as, of which a mapping has at most one.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "gateway": ("default",),
    "gw": ("default",),
    "default-gateway": ("default",),
    "ip": ("address", "subnet"),
    "ipv4": ("address", "subnet"),
    "ipv4-address": ("address",),
    "inet": ("address",),
    "addr": ("address",),
    "ipv6": ("address6", "subnet6"),
    "ipv6-address": ("address6",),
    "inet6": ("address6",),
    "cidr": ("subnet",),
    "nics": ("interfaces",),
    "networks": ("interfaces",),
    "net": ("interfaces",),
    "hwaddr": ("mac",),
    "mac-address": ("mac",),
    "type": ("kind",),
    "forwarding": ("router",),
    "ip-forward": ("router",),
    "env": ("environment",),
    "volumes": ("files",),
    "replicas": ("count",),
    "scale": ("count",),
    "rules": ("firewall",),
    "iptables": ("firewall",),
    "hosts": ("nodes",),
    "machines": ("nodes",),
    "src": ("from",),
    "dst": ("to",),
    "dport": ("port",),
    "sport": ("source-port",),
    "action": ("verdict",),
    "root": ("content",),
    "directory": ("content",),
    "command": ("run", "start"),
    "cmd": ("run", "start"),
    "exec": ("start",),
    "latency": ("delay",),
    "bandwidth": ("rate",),
    "impairments": ("wire",),
    "cable": ("wire",),
}
# What is said elsewhere, by a key of the mapping that lacks it: word → that key, and where it goes.
_ELSEWHERE: Mapping[str, tuple[str, str]] = {
    "hostname": ("interfaces", "a node's name is the key that it stands under, as web:"),
    "name": ("interfaces", "a node's name is the key that it stands under, as web:"),
    "mac": ("interfaces", "write it into interfaces, as {lan: {mac: …}}"),
    "mtu": ("interfaces", "write it into networks, as {lan: {mtu: 1400}}"),
    "subnet": ("interfaces", "write it into networks, as {lan: 10.0.0.0/24}"),
    "dns": ("interfaces", "write services: and, below it, dns:"),
    "http": ("interfaces", "write services: and, below it, http:"),
    "loss": ("interfaces", "write it into wire, as {loss: 5%}"),
    "delay": ("interfaces", "write it into wire, as {delay: 20 ms}"),
    "latency": ("interfaces", "write it into wire, as {delay: 20 ms}"),
    "bandwidth": ("interfaces", "write it into wire, as {rate: 1 Mbit/s}"),
    "script": ("jitter", "write it into wire: itself, where a step says its direction, as drop 1st tcp sent"),
}


def meant(word: str, keys: Collection[str]) -> str | None:
    """Return the key that a word of another tool stands for, among those of a mapping."""
    return next((key for key in _KEYS.get(_plain(word), ()) if key in keys), None)


def place(word: str, keys: Collection[str]) -> str | None:
    """Return where what a word says is said, as a hint, if that is outside the mapping with these keys."""
    key, hint = _ELSEWHERE.get(_plain(word), ("", ""))
    return hint if key in keys else None


def _plain(word: str) -> str:
    return word.lower().replace("_", "-")
