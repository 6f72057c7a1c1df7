"""A node's `firewall:`: names of rules, and rules in words; and its `nft:`, rules in nft's own language."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import TypeAlias

from netlab.errors import Place
from netlab.topology import naming, reader, values
from netlab.topology.faults import Faults, Mark, shown
from netlab.topology.language import RULE
from netlab.topology.reader import Value
from netlab.topology.rules import (
    CHAINS,
    FLAGS,
    PROTOCOLS,
    STATES,
    VERDICTS,
    WITH_PORTS,
    Filter,
    RawRules,
    Subnet,
)
from netlab.topology.vocabulary import FIREWALL_RULES, PORTS

# Every node of the lab, in the file's order, with its addresses as far as they are known.
Addresses: TypeAlias = Mapping[str, Sequence[IPv4Address | IPv6Address]]

_RULE = "a rule, as hold-back-rst or {protocol: tcp, port: 80, verdict: drop}"
_RULES = "a list of rules, as [hold-back-rst]"
_PEER = "an address, a subnet or a node, as 10.0.0.10, 10.0.0.0/24 or client"
_NFT = "rules in nft's language below nft: |, as table inet mine { }"


def firewall(value: Value | None, addresses: Addresses, faults: Faults) -> tuple[str | Filter, ...]:
    """Return a node's rules in the order of the file."""
    found = values.items(value, _RULES, faults) or ()
    rules: list[str | Filter] = []
    names: dict[str, Mark] = {}
    for item in found:
        rule: str | Filter | None
        if isinstance(item, reader.Mapping):
            rule, name, mark = _Reading(item, addresses, faults).rule()
        else:
            name = values.one_of(item, FIREWALL_RULES, "rule", faults) or ""
            rule, mark = name or None, item.mark
        if rule is None:
            continue
        if name and names.setdefault(name, mark) is not mark:
            faults.add(mark, f"the rule {shown(name)} is there twice", "delete one of the two")
            continue
        rules.append(rule)
    return tuple(rules)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One rule in words, being read."""

    value: reader.Mapping
    addresses: Addresses
    faults: Faults

    def rule(self) -> tuple[Filter | None, str, Mark]:
        """Return the rule (None where it has a fault), the name it was given, and where that stands."""
        before = len(self.faults)
        known = values.fields(self.value, RULE.names, _RULE, self.faults) or {}
        name = self._name(known.get("name"))
        protocol = self._word(known, "protocol", PROTOCOLS)
        flags = self._words(known.get("flags"), FLAGS, "flag")
        if flags and "protocol" not in known:
            protocol = "tcp"
        filter_ = Filter(
            verdict=self._verdict(known, before),
            chain=self._word(known, "chain", CHAINS) or CHAINS[0],
            name=name,
            protocol=protocol,
            source=self._peer(known.get("from")),
            destination=self._peer(known.get("to")),
            port=self._port(known.get("port")),
            source_port=self._port(known.get("source-port")),
            flags=flags,
            states=self._words(known.get("state"), STATES, "state"),
        )
        self._check_protocol(known, protocol)
        self._check_families(known, filter_)
        mark = known["name"].mark if "name" in known else self.value.mark
        return (filter_ if len(self.faults) == before else None), name, mark

    def _word(self, known: dict[str, Value], key: str, words: Collection[str]) -> str | None:
        return values.one_of(known[key], words, key, self.faults) if key in known else None

    def _name(self, value: Value | None) -> str:
        if value is None:
            return ""
        name = values.text(value, "a name of your own, as no-web", self.faults, values.is_label)
        return name if name is not None and values.label(name, value.mark, "rule", self.faults) else ""

    def _verdict(self, known: dict[str, Value], before: int) -> str:
        if "verdict" in known:
            return self._word(known, "verdict", VERDICTS) or ""
        # Where a key is unknown, it was most likely meant to be this one: one cause, one fault.
        if len(self.faults) == before:
            what = "a rule without a verdict: what becomes of the packets?"
            self.faults.add(self.value.mark, what, f"write verdict: and one of {', '.join(VERDICTS)}")
        return ""

    def _port(self, value: Value | None) -> int | None:
        return None if value is None else values.integer(value, *PORTS, self.faults)

    def _words(self, value: Value | None, words: Collection[str], noun: str) -> tuple[str, ...]:
        """Return one or several out of a closed set."""
        if value is None:
            return ()
        found = value.items if isinstance(value, reader.Sequence) else (value,)
        if not found:
            hint = f"write one of {', '.join(words)}, or delete the key"
            self.faults.add(value.mark, f"no {noun} stands here", hint)
        several = [values.one_of(one, words, noun, self.faults) for one in found]
        return tuple(dict.fromkeys(word for word in several if word))

    def _peer(self, value: Value | None) -> tuple[Subnet, ...]:
        """Return what `from` or `to` stands for."""
        if value is None:
            return ()
        word = values.text(value, _PEER, self.faults, self.addresses.__contains__)
        if word is None:
            return ()
        if word in self.addresses:
            return tuple(ip_network(one) for one in self.addresses[word])
        try:
            return (ip_network(word),)
        except ValueError:
            self._add_unknown_peer(word, value.mark)
            return ()

    def _add_unknown_peer(self, word: str, mark: Mark) -> None:
        try:
            subnet = ip_network(word, strict=False)
        except ValueError:
            what = f"{shown(word)} is no address, no subnet and no node"
            if set(word) & set("./:"):
                self.faults.add(mark, what, f"write {_PEER}")
            else:
                naming.unknown(mark, word, what, self.addresses, self.faults)
        else:
            self.faults.add(mark, f"{shown(word)} has host bits set", f"the subnet is {subnet}")

    def _check_protocol(self, known: dict[str, Value], protocol: str | None) -> None:
        """Note the first thing that only another protocol has; one not understood has its fault already."""
        for key, having in (("port", WITH_PORTS), ("source-port", WITH_PORTS), ("flags", ("tcp",))):
            if key not in known or protocol in having or (protocol is None and "protocol" in known):
                continue
            mark, others = known[key].mark, " or ".join(having)
            if protocol is None:
                self.faults.add(mark, "a port of which protocol?", f"write protocol: {others}")
            else:
                what = f"{protocol} has no {'flags' if key == 'flags' else 'ports'}"
                self.faults.add(mark, what, f"delete it, or write protocol: {others}")
            return

    def _check_families(self, known: dict[str, Value], rule: Filter) -> None:
        """Note addresses that no packet can have together, or together with the protocol."""
        source, destination = (
            {one.version for one in subnets} for subnets in (rule.source, rule.destination)
        )
        if source and destination and not source & destination:
            what = "no packet is from an address of one IP version to one of the other"
            self.faults.add(known["to"].mark, what, "write both in IPv4, or both in IPv6")
            return
        version = {"icmp": 4, "icmpv6": 6}.get(rule.protocol or "")
        for key, versions in (("from", source), ("to", destination)):
            if version and versions and version not in versions:
                other = "icmpv6" if version == 4 else "icmp"
                what = f"{rule.protocol} does not run between addresses of IPv{next(iter(versions))}"
                self.faults.add(known[key].mark, what, f"write protocol: {other}, or another address")
                return


def nft(value: Value | None, faults: Faults) -> RawRules | None:
    """Return a node's rules for nft, with the place of the first line; what they say is nft's to judge."""
    if value is None:
        return None
    word = values.text(value, _NFT, faults)
    if word is None:
        return None
    if not word.strip():
        faults.add(value.mark, "no rules stand here", f"write {_NFT}")
        return None
    mark = value.mark
    place = faults.place(mark)
    # The lines of a literal block are the file's own, which begin below the "|".
    indent = faults.block_indent(mark)
    if indent is not None:
        place = Place(place.file, mark.line + 1, indent + 1)
    return RawRules(word if word.endswith("\n") else word + "\n", place, indent)
