"""A router's `nat:`: on which networks it masquerades, and which of its ports inner hosts answer for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from netlab.topology import language, naming, reader, values
from netlab.topology.faults import Faults, Mark, shown
from netlab.topology.reader import Value
from netlab.topology.rules import WITH_PORTS, Forward, Nat

_NAT = "its keys, as {masquerade: wan, forward: {80: web}}"
_NETWORKS = "the network on the outside, or a list of such, as wan"
_PORT = "write a port, or a protocol and a port, as 80 or udp/53"
_TARGET = "a node or an address, with or without a port, as web or 10.0.0.80:8080"


@dataclass(frozen=True, slots=True)
class Router:
    """The node whose `nat` is read; `networks` are those it is on."""

    name: str
    networks: tuple[str, ...]
    # node → network → IPv4 address, of every node, as far as they are known
    addresses: Mapping[str, Mapping[str, IPv4Address]]
    # of the lab's networks
    subnets: Sequence[IPv4Network] = ()


def nat(value: Value | None, router: Router, faults: Faults) -> Nat | None:
    """Return a router's address translation."""
    if value is None:
        return None
    before = len(faults)
    known = values.fields(value, language.NAT.names, _NAT, faults)
    if known is None:
        return None
    outside = _outside(known.get("masquerade"), router, faults)
    if "masquerade" not in known and len(faults) == before:
        what = "nat without masquerade: on which network is the outside?"
        faults.add(value.mark, what, f"write masquerade: and {_NETWORKS}")
    elif outside and set(outside) >= set(router.networks):
        what = f"{shown(router.name)} has no network but the outside: there is no one to translate for"
        faults.add(known["masquerade"].mark, what, "give it a second network, the inside")
    forward = _Forwarding(router, frozenset(outside), faults).forwards(known.get("forward"))
    return Nat(outside, forward) if outside else None


def _outside(value: Value | None, router: Router, faults: Faults) -> tuple[str, ...]:
    if value is None:
        return ()
    found = value.items if isinstance(value, reader.Sequence) else (value,)
    networks: list[str] = []
    for one in found:
        word = values.text(one, _NETWORKS, faults, router.networks.__contains__)
        if word is None:
            continue
        if word not in router.networks:
            what = f"{shown(router.name)} is on no network {shown(word)}"
            faults.add(one.mark, what, values.suggest(word, router.networks))
        elif word in networks:
            faults.add(one.mark, f"the network {shown(word)} is there twice", "delete one of the two")
        elif word not in router.addresses[router.name] and not faults:
            what = f"{shown(router.name)} has no IPv4 address on {shown(word)}: IPv6 is not translated"
            faults.add(one.mark, what, "give the network an IPv4 subnet, or delete nat")
        else:
            networks.append(word)
    return tuple(networks)


@dataclass(frozen=True, slots=True)
class _Forwarding:
    """The port forwards of one router, being read."""

    router: Router
    outside: frozenset[str]
    faults: Faults

    def forwards(self, value: Value | None) -> tuple[Forward, ...]:
        found = values.entries(value, "ports with who answers, as {80: web}", self.faults) or ()
        forwards: list[Forward] = []
        taken: dict[tuple[str, int], Mark] = {}
        for key, entry in found:
            port, target = self._port(key), self._target(entry)
            if port is None:
                continue
            if taken.setdefault(port, key.mark) is not key.mark:
                what = f"port {port[1]} of {port[0]} is forwarded already"
                hint = f"delete one; the first is at {self.faults.place(taken[port])}"
                self.faults.add(key.mark, what, hint)
            elif target is not None:
                forwards.append(Forward(*port, target[0], target[1] or port[1]))
        return tuple(forwards)

    def _port(self, key: reader.Scalar) -> tuple[str, int] | None:
        """Read `80`, `tcp/80` or `udp/53`."""
        protocol, slash, number = key.text.rpartition("/")
        protocol = protocol if slash else "tcp"
        if protocol not in WITH_PORTS or not number.isascii() or not number.isdigit():
            self.faults.add(key.mark, f"{shown(key.text)} is no port", _PORT)
            return None
        if not _is_port(number):
            self.faults.add(key.mark, f"{shown(number)} is out of range", "write a number from 1 to 65535")
            return None
        return protocol, int(number)

    def _target(self, value: Value) -> tuple[IPv4Address, int | None] | None:
        """Read `web`, `web:80`, `10.0.0.80` or `10.0.0.80:80`."""
        word = values.text(value, _TARGET, self.faults, self.router.addresses.__contains__)
        if word is None:
            return None
        host, colon, number = word.partition(":")
        if colon and not _is_port(number):
            self.faults.add(value.mark, f"{shown(word)} names no host and port", f"write {_TARGET}")
            return None
        address = self._host(host, value.mark)
        return None if address is None else (address, int(number) if colon else None)

    def _host(self, host: str, mark: Mark) -> IPv4Address | None:
        """Return the address that a host has inside, on a network of the router where it has one there."""
        addresses = self.router.addresses
        if host == self.router.name:
            hint = "name a node inside, or delete it: the router's own services answer anyway"
            self.faults.add(mark, f"{shown(host)} would forward to itself", hint)
            return None
        if host in addresses:
            inside = {network: own for network, own in addresses[host].items() if network not in self.outside}
            near = [own for network, own in inside.items() if network in self.router.networks]
            found = [*near, *inside.values()]
            if addresses[host] and not found:
                what = f"{shown(host)} is on the outside alone: there is nothing to forward"
                self.faults.add(mark, what, "name a node inside")
            return found[0] if found else None
        try:
            return self._somebody(IPv4Address(host), mark)
        except ValueError:
            what = f"{shown(host)} is no node and no address"
            if set(host) & set("./:"):
                self.faults.add(mark, what, f"write {_TARGET}")
            else:
                naming.unknown(mark, host, what, addresses, self.faults)
            return None

    def _somebody(self, address: IPv4Address, mark: Mark) -> IPv4Address | None:
        """Return an address if a host could answer there; outside of the lab's subnets, nobody knows."""
        everyone = {own for networks in self.router.addresses.values() for own in networks.values()}
        subnet = next((one for one in self.router.subnets if address in one), None)
        if address.is_loopback or address in self.router.addresses[self.router.name].values():
            what = f"{address} is {shown(self.router.name)} itself"
            hint = "name a node inside, or delete it: the router's own services answer anyway"
        elif address.is_multicast or address.is_unspecified or address == IPv4Address("255.255.255.255"):
            what, hint = f"{address} is no host's address", f"write {_TARGET}"
        elif subnet is not None and address not in everyone:
            what, hint = f"no node has the address {address}, in the lab's {subnet}", f"write {_TARGET}"
        else:
            return address
        self.faults.add(mark, what, hint)
        return None


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535
