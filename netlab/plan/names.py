"""Names and MAC addresses of a lab: unique within it, and the same in every run."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from ipaddress import IPv6Address

IFNAMSIZ = 15  # octets of an interface's name, without the final zero
PORT_ROOM = IFNAMSIZ - 1  # those of a port's: the ends of its wire have one more
_WHOLE = 12  # a node's name up to here is its port's: three octets are left for ".12"
# Names that a network namespace has already, or under which its sysctls already stand.
_RESERVED = ("lo", "all", "default")


class InterfaceNames:
    """Gives out the interface names of one namespace, each once."""

    def __init__(self) -> None:
        self._taken = set(_RESERVED)
        self._last: dict[str, int] = {}
        self._stems: dict[str, str] = {}

    def bridge(self, network: str) -> str:
        """Name the bridge that is a network's switch."""
        return self._unique("br-" + network, IFNAMSIZ)

    def port(self, node: str, index: int) -> str:
        """Name the switch's end of a node's interface: `client`, `client.1`, …, asked for in that order."""
        if index == 0:
            self._stems[node] = self._unique(node, _WHOLE)
            return self._stems[node]
        # A name with a dot cannot be another node's or a bridge's: labels have none.
        whole = f"{self._stems[node]}.{index}"
        return whole if len(whole) <= PORT_ROOM else self._unique(whole, PORT_ROOM)

    def _unique(self, name: str, room: int) -> str:
        """Return the name; one too long or taken is cut and ends in `~1`, `~2`, … (no label has a tilde)."""
        whole = name
        if len(name) > room or name in self._taken:
            start = name[: room - 5]
            number = self._last.get(start, 0)
            while len(whole) > room or whole in self._taken:
                number += 1
                tail = f"~{number}"
                whole = name[: room - len(tail)] + tail
            self._last[start] = number
        self._taken.add(whole)
        return whole


def wire_ends(port: str) -> tuple[str, str]:
    """Name the second pair of a port that has a wire: the end at the wire, and that at the switch.

    Nothing else has such a name: neither labels nor what is cut off them have these signs.
    """
    return f"{port}=", f"{port}+"


def wire_macs(port_mac: str) -> tuple[str, str]:
    """Return the addresses of these ends: locally administered too, and none that `Macs` gives."""
    return f"06{port_mac[2:]}", f"0a{port_mac[2:]}"


class Macs:
    """Gives out the MAC addresses of one lab, each once, and none of those that were `taken` by hand."""

    def __init__(self, seed: int, taken: Iterable[str] = ()) -> None:
        self._seed = seed
        self._taken = set(taken)

    def of(self, name: str) -> str:
        """Return the address of what has that name: unicast, locally administered (first octet 02).

        The two octets after it keep clear of prefixes by which Wireshark would name a maker.
        """
        again = 0
        while True:
            text = f"{self._seed}/{name}" + f"/{again}" * bool(again)
            mac = "02:4e:4c:" + blake2b(text.encode(), digest_size=3).digest().hex(":")
            if mac not in self._taken:
                self._taken.add(mac)
                return mac
            again += 1


def wire_seed(seed: int, node: str, network: str) -> int:
    """Return the seed of a node's cable to a network, in a lab of that seed: 64 bits."""
    text = f"{seed}/wire/{node}/{network}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def link_local(mac: str) -> str:
    """Return the IPv6 address that the kernel makes of a MAC (RFC 4291, appendix A: EUI-64)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(IPv6Address(b"\xfe\x80" + bytes(6) + identifier))
