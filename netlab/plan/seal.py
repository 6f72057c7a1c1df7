"""What a node that is a container may do and use: the words for an engine, live or in a Compose file."""

from __future__ import annotations

from dataclasses import dataclass

_MEBIBYTE = 1 << 20

# Crafted packets, the node's own addresses and rules, ports below 1024; and to become another user of the
# container's, without which tcpdump, and many a server, does not begin.
NODE_CAPABILITIES = ("NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW", "SETGID", "SETUID")
# An image's own programs do with its files what Docker lets them.
IMAGE_CAPABILITIES = (*NODE_CAPABILITIES, "CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a container may use, as far as the engine can limit it: bytes, processes, CPUs."""

    memory: int
    processes: int
    cpus: float


NODE_LIMITS = Limits(512 * _MEBIBYTE, 512, 1)
