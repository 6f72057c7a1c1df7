"""What a node that is a container may do and use: the words for an engine, live or in a Compose file."""

from __future__ import annotations

from dataclasses import dataclass

_MEBIBYTE = 1 << 20

# Crafted packets, the node's own addresses and rules, ports below 1024: all that a node needs.
NODE_CAPABILITIES = ("NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW")
# An image's own programs change their user, as Docker lets them.
IMAGE_CAPABILITIES = (*NODE_CAPABILITIES, "CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a container may use, as far as the engine can limit it: bytes, processes, CPUs."""

    memory: int
    processes: int
    cpus: float


NODE_LIMITS = Limits(512 * _MEBIBYTE, 512, 1)
