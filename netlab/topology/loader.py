"""A marked tree to a Topology: every fault of the file is found before any is raised."""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import dataclass, replace
from pathlib import Path

from netlab.errors import Place
from netlab.topology import addressing, images, misplaced, naming, networks, routing, values, vocabulary
from netlab.topology.addressing import Attachment
from netlab.topology.captures import captures
from netlab.topology.checking import check
from netlab.topology.faults import TOP, Faults, shown
from netlab.topology.files import MAX_BYTES, read_text, too_large
from netlab.topology.language import NODE, TOPOLOGY
from netlab.topology.model import DEFAULT_SEED, Interface, Node, Topology
from netlab.topology.networks import Declared
from netlab.topology.pointing import check_names
from netlab.topology.policies import addresses, with_policies
from netlab.topology.provisions import time_limit, with_provisions
from netlab.topology.reader import Mapping, Scalar, Value, read
from netlab.topology.resolvers import with_resolvers
from netlab.topology.rewriting import rewrite
from netlab.topology.services import Host, places, services
from netlab.topology.zonefile import Sources

_WHERE = ("interfaces", "address", "address6")
_ONE_NODE = "at least one node, as {client: }"


def load(path: Path, engines: Map[str, str]) -> Topology:
    """Read and validate a file; InputError where it cannot be read, too."""
    parsed = parse(read_text(path), file=str(path), directory=path.parent, engines=engines)
    return replace(parsed, source=path.absolute())


def parse(text: str, *, file: str, directory: Path, engines: Map[str, str]) -> Topology:
    """Validate a topology's text, with these engines in the place of those that it names."""
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_BYTES:
        raise too_large(file)
    faults = Faults(file, text)
    tree = read(text, faults)
    if tree is None and not faults:
        faults.add(TOP, "the file is empty", "write nodes: and, below it, at least one node, as client:")
    tree = rewrite(tree, file, directory, faults) if tree is not None else None
    topology = _Loading(faults, file, directory, engines).topology(tree) if tree is not None else None
    faults.check()
    assert topology is not None, "no topology, yet no fault"
    return topology


@dataclass(frozen=True, slots=True)
class _Draft:
    """A node whose addresses are not decided yet."""

    key: Scalar
    attachments: tuple[Attachment, ...]
    services: Value | None
    policies: dict[str, Value]
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
    engines: Map[str, str]

    def topology(self, tree: Value) -> Topology | None:
        """Return what the file asks for; None or a stopgap where it has faults."""
        faults = self.faults
        top = values.fields(tree, TOPOLOGY.names, "keys at the top, as nodes: {client: }", faults)
        if top is None:
            return None
        name = self._name(top.get("name"))
        seed = values.integer(top["seed"], *vocabulary.SEEDS, faults) if "seed" in top else DEFAULT_SEED
        search = values.domain(top["search"], faults) if "search" in top else None
        declared = networks.networks(top.get("networks"), faults)
        drafts = self._drafts(tree, top, declared)
        attached = [attachment for draft in drafts for attachment in draft.attachments]
        given = addressing.allocate(attached, declared or {}, faults)
        if not faults:
            addressing.check_members(attached, declared or {}, len(drafts), faults)
        segments = tuple(networks.segment(one) for one in (declared or {}).values() if one.sound)
        sources = Sources(self.directory)
        nodes = tuple(
            self._node(draft, given, search or vocabulary.DEFAULT_SEARCH, sources) for draft in drafts
        )
        nodes = routing.with_routes(nodes, {one.name: one.policies for one in drafts}, segments, faults)
        nodes = with_policies(nodes, {draft.name: draft.policies for draft in drafts}, segments, faults)
        nodes = with_provisions(nodes, {one.name: one.policies for one in drafts}, self.directory, faults)
        nodes = with_resolvers(nodes, {one.name: one.services for one in drafts}, faults)
        resolver = self._resolver(top.get("resolver"), nodes)
        for _, kind in values.entries(top.get("kinds"), "kinds by name", faults) or ():
            check(kind, NODE, faults)
        if not faults:
            routing.check_reach(nodes, resolver, {one.name: one.key.mark for one in drafts}, faults)
            check_names(sources.entries, nodes, segments, faults)
        return Topology(
            name=name,
            seed=DEFAULT_SEED if seed is None else seed,
            networks=segments,
            nodes=nodes,
            resolver=resolver,
            search=search or vocabulary.DEFAULT_SEARCH,
            backend=self._backend(top.get("backend")),
            time_limit=time_limit(top.get("time-limit"), faults),
            captures=captures(top.get("captures"), [one.name for one in segments], addresses(nodes), faults),
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
        if found == () and all(key.text in TOPOLOGY.names for key, _ in keys):
            mark = next((key.mark for key, _ in keys if key.text == "nodes"), tree.mark)
            self.faults.add(mark, "there are no nodes", f"write {_ONE_NODE}, below nodes:")
        entries, owners = misplaced.without_strays(found or (), self.faults)
        for key, _ in entries:
            values.label(key.text, key.mark, "node", self.faults)
        values.once([key for key, _ in entries], "node", self.faults)
        # What is not known for the sake of another fault is not asked for.
        return tuple(
            self._draft(key, entry, None if key.mark in owners else declared) for key, entry in entries
        )

    def _draft(self, key: Scalar, value: Value, declared: dict[str, Declared] | None) -> _Draft:
        expected = f"the node's keys, as {{address: 10.0.0.10}}, out of {', '.join(NODE.names)}"
        known = values.fields(value, NODE.names, expected, self.faults)
        attachments: tuple[Attachment, ...] = ()
        is_told = known is not None and _is_told(known, value)
        if known is not None and declared is not None and (is_told or len(declared) == 1):
            attachments = addressing.attachments(key, known, declared, self.faults)
        known_places, image = {key.text: self.faults.place(key.mark)}, None
        known_places |= places((known or {}).get("services"), key.text, self.faults)
        if known and (named := known.get("image")):
            known_places[f"{key.text}.image"] = self.faults.place(named.mark)
            image = images.image(named, self.faults)
        return _Draft(key, attachments, (known or {}).get("services"), known or {}, image, known_places)

    def _node(
        self, draft: _Draft, given: dict[tuple[str, str], Interface], search: str, sources: Sources
    ) -> Node:
        interfaces = tuple(
            replace(given[one.node, one.network], name=f"eth{index}")
            for index, one in enumerate(draft.attachments)
            if (one.node, one.network) in given
        )
        host = Host(
            draft.name, search, addressing.addresses(interfaces), self.directory, sources, self.engines
        )
        found = services(draft.services, host, self.faults)
        return Node(draft.name, interfaces, found, image=draft.image)

    def _resolver(self, value: Value | None, nodes: tuple[Node, ...]) -> str | None:
        """Return the node that answers for names: the one named, else the first that serves them."""
        serving = [node.name for node in nodes if any(service.kind == "dns" for service in node.services)]
        if value is None:
            return serving[0] if serving else None
        if isinstance(value, Scalar) and value.text == "none" and "none" not in [one.name for one in nodes]:
            return None
        names = [node.name for node in nodes]
        name = values.text(
            value, f"the name of a node, as {names[0] if names else '…'}", self.faults, names.__contains__
        )
        if name is not None and name not in names:
            naming.unknown(value.mark, name, f"unknown node {shown(name)}", names, self.faults)
            return None
        if name is not None and name not in serving and not self.faults:
            self.faults.add(value.mark, f"the node {shown(name)} runs no dns service", _who_serves(serving))
        return name


def _is_told(known: dict[str, Value], node: Value) -> bool:
    """Say whether a node's networks are what it says, and not under a key that is misspelt."""
    if "interfaces" in known or not isinstance(node, Mapping):
        return True
    unknown = [key.text for key, _ in node.entries if key.text not in NODE.names]
    return not any(values.likely_key(word, NODE.names) in _WHERE for word in unknown)


def _who_serves(serving: list[str]) -> str:
    return f"name {shown(serving[0])}, which does" if serving else "give it one, or delete this key"
