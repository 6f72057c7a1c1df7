"""A marked tree to a Topology: every fault of the file is found before any is raised."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path

from netlab.errors import Fault, InputError, Place
from netlab.topology import addressing, images, values, vocabulary
from netlab.topology.addressing import Attachment, Declared
from netlab.topology.faults import TOP, Faults, Mark, shown
from netlab.topology.model import DEFAULT_SEED, Interface, Network, Node, Topology
from netlab.topology.reader import Mapping, Scalar, Value, read
from netlab.topology.services import Host, services

MAX_BYTES = 1 << 20
_MAX_SEED = 2**64 - 1
_ONE_NODE = "at least one node, as {client: }"


def load(path: Path) -> Topology:
    """Read and validate a file; InputError where it cannot be read, too."""
    text = _read_text(path)
    return replace(parse(text, file=str(path), directory=path.parent), source=path.absolute())


def parse(text: str, *, file: str, directory: Path) -> Topology:
    """Validate a topology's text."""
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_BYTES:
        raise _unreadable(file, "the file is larger than 1 MiB", "a topology needs far less")
    faults = Faults(file, text)
    tree = read(text, faults)
    if tree is None and not faults:
        faults.add(TOP, "the file is empty", "write nodes: and, below it, at least one node, as client:")
    topology = _Loading(faults, file, directory).topology(tree) if tree is not None else None
    faults.check()
    assert topology is not None, "no topology, yet no fault"
    return topology


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _unreadable(str(path), "no such file", "check the path") from None
    except IsADirectoryError:
        raise _unreadable(str(path), "this is a directory", "name the YAML file in it") from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise _unreadable(str(path), "the file cannot be read", reason) from None
    if len(data) > MAX_BYTES:
        raise _unreadable(str(path), "the file is larger than 1 MiB", "a topology needs far less")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        fault = Fault(Place(str(path), line, column), "the file is not UTF-8", "save it in that encoding")
        raise InputError([fault]) from None


def _unreadable(file: str, what: str, hint: str) -> InputError:
    return InputError([Fault(Place(file, 1, 1), what, hint)])


@dataclass(frozen=True, slots=True)
class _Draft:
    """A node whose addresses are not decided yet."""

    key: Scalar
    attachments: tuple[Attachment, ...]
    services: Value | None
    firewall: tuple[str, ...]
    image: str | None
    places: dict[str, Place]

    @property
    def name(self) -> str:
        return self.key.text


@dataclass(frozen=True, slots=True)
class _Loading:
    """One file being loaded."""

    faults: Faults
    file: str
    directory: Path

    def topology(self, tree: Value) -> Topology | None:
        """Return what the file asks for; None or a stopgap where it has faults."""
        faults = self.faults
        top = values.fields(tree, vocabulary.TOPOLOGY_KEYS, "keys at the top, as nodes: {client: }", faults)
        if top is None:
            return None
        name = self._name(top.get("name"))
        seed = values.integer(top["seed"], 0, _MAX_SEED, faults) if "seed" in top else DEFAULT_SEED
        search = values.domain(top["search"], faults) if "search" in top else None
        declared = addressing.networks(top.get("networks"), faults)
        drafts = self._drafts(tree, top, declared)
        given = addressing.allocate(
            (attachment for draft in drafts for attachment in draft.attachments), declared or {}, faults
        )
        nodes = tuple(self._node(draft, given, search or vocabulary.DEFAULT_SEARCH) for draft in drafts)
        return Topology(
            name=name,
            seed=DEFAULT_SEED if seed is None else seed,
            networks=tuple(Network(one.name, one.subnet) for one in (declared or {}).values() if one.subnet),
            nodes=nodes,
            resolver=self._resolver(top.get("resolver"), nodes),
            search=search or vocabulary.DEFAULT_SEARCH,
            backend=self._backend(top.get("backend")),
            places={path: place for draft in drafts for path, place in draft.places.items()},
        )

    def _name(self, value: Value | None) -> str:
        if value is not None:
            name = values.text(value, "a name, as web", self.faults, values.is_label)
            if name is not None:
                values.label(name, value.mark, "lab", self.faults)
            return name or ""
        stem = Path(self.file).stem
        if not values.is_label(stem):
            what = f"the file's own name, {shown(stem)}, cannot name the lab: no hostname label (RFC 1123)"
            self.faults.add(TOP, what, "write name: and a name of letters, digits and hyphens")
        return stem

    def _backend(self, value: Value | None) -> str:
        if value is None:
            return vocabulary.DEFAULT_BACKEND
        word = values.one_of(value, vocabulary.BACKENDS, "backend", self.faults)
        return word or vocabulary.DEFAULT_BACKEND

    def _drafts(
        self, tree: Value, top: dict[str, Value], declared: dict[str, Declared] | None
    ) -> tuple[_Draft, ...]:
        """Return the nodes that the file has, as far as they can be understood."""
        value = top.get("nodes")
        found = values.entries(value, "nodes by name, as {client: }", self.faults)
        keys = tree.entries if isinstance(tree, Mapping) else ()
        # A misspelt key was most likely this one: one cause, one fault.
        if found == () and all(key.text in vocabulary.TOPOLOGY_KEYS for key, _ in keys):
            mark = next((key.mark for key, _ in keys if key.text == "nodes"), tree.mark)
            self.faults.add(mark, "there are no nodes", f"write {_ONE_NODE}, below nodes:")
        for key, _ in found or ():
            values.label(key.text, key.mark, "node", self.faults)
        values.once([key for key, _ in found or ()], "node", self.faults)
        return tuple(self._draft(key, entry, declared) for key, entry in found or ())

    def _draft(self, key: Scalar, value: Value, declared: dict[str, Declared] | None) -> _Draft:
        expected = f"the node's keys, as {{address: 10.0.0.10}}, out of {', '.join(vocabulary.NODE_KEYS)}"
        known = values.fields(value, vocabulary.NODE_KEYS, expected, self.faults)
        firewall = self._firewall(known.get("firewall")) if known else ()
        attachments = () if known is None or declared is None else self._attachments(key, known, declared)
        places, image = {key.text: self.faults.place(key.mark)}, None
        if known and (named := known.get("image")):
            places[f"{key.text}.image"] = self.faults.place(named.mark)
            image = images.image(named, self.faults)
        return _Draft(key, attachments, (known or {}).get("services"), firewall, image, places)

    def _attachments(
        self, key: Scalar, known: dict[str, Value], declared: dict[str, Declared]
    ) -> tuple[Attachment, ...]:
        """Rewrite `address`, or nothing at all, to what `interfaces` would say."""
        given, interfaces = known.get("address"), known.get("interfaces")
        if interfaces is not None:
            if given is not None:
                what = "both address and interfaces are there"
                self.faults.add(given.mark, what, "write the address into interfaces, and delete this key")
            return self._interfaces(key.text, interfaces, declared)
        mark = key.mark if given is None else given.mark
        own = None if given is None else addressing.address(given, self.faults)
        if len(declared) > 1:
            what = f"on which of the networks {', '.join(map(shown, list(declared)[:5]))} is this?"
            self.faults.add(mark, what, f"write interfaces: {{{next(iter(declared))}: {own or ''}}}")
            return ()
        if given is not None and own is None:
            return ()
        return (Attachment(key.text, next(iter(declared)), mark, own),)

    def _interfaces(self, node: str, value: Value, declared: dict[str, Declared]) -> tuple[Attachment, ...]:
        expected = "networks with addresses, as {lan: 10.0.0.10}"
        found = values.entries(value, expected, self.faults)
        if found == ():
            self.faults.add(value.mark, "a node without interfaces", f"write {expected}")
        attachments = []
        for key, entry in found or ():
            if key.text not in declared:
                what = f"unknown network {shown(key.text)}"
                self.faults.add(key.mark, what, values.suggest(key.text, declared))
                continue
            if values.is_null(entry):
                attachments.append(Attachment(node, key.text, key.mark))
            elif own := addressing.address(entry, self.faults):
                attachments.append(Attachment(node, key.text, entry.mark, own))
        return tuple(attachments)

    def _firewall(self, value: Value | None) -> tuple[str, ...]:
        found = values.items(value, "a list of rules, as [hold-back-rst]", self.faults) or ()
        rules: dict[str, Mark] = {}
        for item in found:
            rule = values.one_of(item, vocabulary.FIREWALL_RULES, "rule", self.faults)
            if rule is not None and rules.setdefault(rule, item.mark) is not item.mark:
                self.faults.add(item.mark, f"the rule {shown(rule)} is there twice", "delete one of the two")
        return tuple(rules)

    def _node(self, draft: _Draft, given: dict[tuple[str, str], IPv4Address], search: str) -> Node:
        interfaces = tuple(
            Interface(f"eth{index}", one.network, given[one.node, one.network])
            for index, one in enumerate(draft.attachments)
            if (one.node, one.network) in given
        )
        host = Host(draft.name, search, tuple(one.address for one in interfaces), self.directory)
        found = services(draft.services, host, self.faults)
        return Node(draft.name, interfaces, found, draft.firewall, draft.image)

    def _resolver(self, value: Value | None, nodes: tuple[Node, ...]) -> str | None:
        """Return the node that answers for names: the one named, else the first that serves them."""
        serving = [node.name for node in nodes if any(service.kind == "dns" for service in node.services)]
        if value is None:
            return serving[0] if serving else None
        name = values.one_of(value, [node.name for node in nodes], "node", self.faults)
        if name is not None and name not in serving and not self.faults:
            self.faults.add(value.mark, f"the node {shown(name)} runs no dns service", _who_serves(serving))
        return name


def _who_serves(serving: list[str]) -> str:
    return f"name {shown(serving[0])}, which does" if serving else "give it one, or delete this key"
