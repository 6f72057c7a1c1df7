"""The file's `captures:`: recordings of some packets, beside the one of all of them."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address

from netlab.topology import naming, reader, values
from netlab.topology.faults import Faults, shown
from netlab.topology.firewall import Addresses
from netlab.topology.language import CAPTURE, SELECTION
from netlab.topology.reader import Scalar, Value
from netlab.topology.recordings import PROTOCOLS, Capture, Selection
from netlab.topology.rules import WITH_PORTS
from netlab.topology.vocabulary import SNAPS

OF_EVERYTHING = "capture"  # the name of the recording that every run has

_CAPTURE = "its keys, as {networks: [lan], filter: {protocol: tcp, port: 80}, snap: 96}"
_HOST = "a node or an address, as client"


def captures(
    value: Value | None, networks: Collection[str], addresses: Addresses, faults: Faults
) -> tuple[Capture, ...]:
    """Return the recordings in the order of the file."""
    found = values.entries(value, "recordings by name, as {web: {networks: [lan]}}", faults) or ()
    values.once([key for key, _ in found], "capture", faults)
    return tuple(_capture(key, entry, networks, addresses, faults) for key, entry in found)


def _capture(
    key: Scalar, value: Value, networks: Collection[str], addresses: Addresses, faults: Faults
) -> Capture:
    if values.label(key.text, key.mark, "capture", faults) and key.text.lower() == OF_EVERYTHING:
        faults.add(key.mark, "capture.pcapng is the recording of everything", "choose another name")
    known = values.fields(value, CAPTURE.names, _CAPTURE, faults) or {}
    snap = known.get("snap")
    return Capture(
        key.text,
        _networks(known.get("networks"), networks, faults),
        _selection(known.get("filter"), addresses, faults),
        None if snap is None else values.integer(snap, *SNAPS, faults),
    )


def _networks(value: Value | None, networks: Collection[str], faults: Faults) -> tuple[str, ...]:
    if value is None:
        return ()
    found = value.items if isinstance(value, reader.Sequence) else (value,)
    names = [values.one_of(one, networks, "network", faults) for one in found]
    return tuple(dict.fromkeys(name for name in names if name))


def _selection(value: Value | None, addresses: Addresses, faults: Faults) -> Selection:
    known = (
        values.fields(value, SELECTION.names, "what to record, as {protocol: tcp, port: 80}", faults) or {}
    )
    protocol = None
    if "protocol" in known:
        protocol = values.one_of(known["protocol"], PROTOCOLS, "protocol", faults)
    port = None
    if "port" in known:
        port = values.integer(known["port"], 0, 65535, faults)
        if protocol is not None and protocol not in WITH_PORTS:
            hint = "delete it, or write protocol: tcp or udp"
            faults.add(known["port"].mark, f"{protocol} has no ports", hint)
    return Selection(protocol, _hosts(known.get("host"), addresses, faults), port)


def _hosts(
    value: Value | None, addresses: Addresses, faults: Faults
) -> tuple[IPv4Address | IPv6Address, ...]:
    if value is None:
        return ()
    word = values.text(value, _HOST, faults, addresses.__contains__)
    if word is None:
        return ()
    if word in addresses:
        return tuple(addresses[word])
    try:
        return (ip_address(word),)
    except ValueError:
        what = f"{shown(word)} is no node and no address"
        if set(word) & set("./:"):
            faults.add(value.mark, what, f"write {_HOST}")
        else:
            naming.unknown(value.mark, word, what, addresses, faults)
        return ()
