"""Bring a lab that runs to another plan: step by step, touching only what differs, all of it or nothing.

`netlab.plan.changes` says what differs; each step here knows its way back, and what cannot be taken back, the
end of what is removed, comes last.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from netlab import rewiring
from netlab.backends.inside import altering, building, channel, recorder, refusing, splicing, startup
from netlab.backends.inside.altering import Step
from netlab.backends.inside.ending import end_node
from netlab.backends.inside.nodes import NodeSpace
from netlab.backends.inside.restarting import Services
from netlab.backends.inside.retuning import Parameters
from netlab.backends.inside.standing import Standing
from netlab.errors import InputError, LabError, MachineError, NetlabError, ServiceError
from netlab.kernel import namespace
from netlab.plan.changes import Change, Comparison, compare
from netlab.plan.model import Plan, PlannedNode, Switch
from netlab.plan.names import wire_ends
from netlab.plan.segments import relayed
from netlab.wiring import links_of, make_namespaces

MOST_TOLD = 1500  # changes that one message has room for
_ROOM = channel.LARGEST * 3 // 4  # bytes of a message that changes may take
_MOST_NAMED = 3
_NO_RECORD = "not recorded: the lab was started without --out DIR"


def apply(lab: Standing, plan: Plan, *, dry: bool) -> Comparison:
    """Make a lab what a plan says, and return what that changed; with `dry`, what it would change.

    UsageError where it cannot be changed so while it runs; another NetlabError where a step fails: it names
    the step, and the lab is what it was.
    """
    comparison = _noted(lab, compare(lab.request.plan, plan))
    comparison.check()
    refusing.check(lab, comparison)
    if not dry and comparison.changes:
        _Applying(lab, comparison).run()
    return comparison


def _noted(lab: Standing, comparison: Comparison) -> Comparison:
    """Note what changes of captures come to in a lab that has no record."""
    if lab.request.out is not None:
        return comparison
    noted = (
        replace(change, note=_NO_RECORD)
        if change.aspect == "capture" and change.after is not None
        else change
        for change in comparison.changes
    )
    return replace(comparison, changes=tuple(noted))


def told(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Return changes as a message has them."""
    shown: list[dict[str, Any]] = []
    room = _ROOM
    for change in changes[:MOST_TOLD]:
        packed = asdict(change)
        room -= len(json.dumps(packed)) + 2
        if room < 0:
            break
        shown.append(packed)
    if rest := len(changes) - len(shown):
        shown.append(asdict(Change("", f"{rest} more", note="there is no room to name them")))
    return shown


# -- step by step ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Applying:
    """One change of a lab; `indexes` are those that its fabric then has, `fabric` its namespace."""

    lab: Standing
    comparison: Comparison
    indexes: dict[str, int] = field(default_factory=dict)
    fabric: int = -1
    added: dict[str, NodeSpace] = field(default_factory=dict)

    @property
    def old(self) -> Plan:
        return self.lab.request.plan

    @property
    def new(self) -> Plan:
        return self.comparison.new

    def run(self) -> None:
        """Change the lab; where a step fails, undo those before it, and say so."""
        done: list[Step] = []
        self.fabric = namespace.current()
        try:
            self._number()
            try:
                for step in self._steps():
                    done.append(step)
                    step.do()
            except BaseException as error:
                problems = self._undo(done)
                raise _failure(error, self._named(done[-1]), problems) from error
            self._commit()
            for step in done:
                step.settle()
        finally:
            os.close(self.fabric)

    def _undo(self, done: Sequence[Step]) -> list[str]:
        """Take back what was done, the last first; return what could not be."""
        problems = []
        for step in reversed(done):
            try:
                step.undo()
            except Exception as error:
                known = isinstance(error, NetlabError | OSError)
                problems.append(f"{self._named(step)}: {error if known else repr(error)}")
        return problems

    def _named(self, step: Step) -> str:
        """Say which changes a step makes."""
        made = [
            str(change)
            for change in self.comparison.changes
            if change.subject == step.subject and change.aspect in step.aspects
        ]
        more = ["…"] if len(made) > _MOST_NAMED else []
        return ", ".join([*made[:_MOST_NAMED], *more]) or f"{step.subject or 'the lab'}: {step.aspects[0]}"

    def _number(self) -> None:
        """Give ifindexes to what is made in the fabric, none of which anything has had before."""
        before = {(port.node, port.interface): port for port in self.old.ports}
        names = [switch.bridge for switch in self.new.switches]
        anew = set(names) - self.lab.indexes.keys()
        for port in self.new.ports:
            own = [port.port, *(wire_ends(port.port) if relayed(port) else ())]
            names += own
            was = before.get((port.node, port.interface))
            if was is None or rewiring.remade(was, port):
                anew.update(own)
            elif not relayed(was):
                anew.update(own[1:])
        for name in names:
            if name in anew:
                self.indexes[name] = self.lab.next_index
                self.lab.next_index += 1
            else:
                self.indexes[name] = self.lab.indexes[name]

    def _stay(self) -> Iterator[tuple[NodeSpace, PlannedNode, PlannedNode]]:
        """Yield the nodes that both plans have: the node, what it was, what it is to be."""
        before = {node.name: node for node in self.old.nodes}
        for node in self.new.nodes:
            if node.name in before:
                yield self.lab.nodes[node.name], before[node.name], node

    def _gone(self) -> list[NodeSpace]:
        after = {node.name for node in self.new.nodes}
        return [node for name, node in self.lab.nodes.items() if name not in after]

    def _steps(self) -> Iterator[Step]:
        """Yield all steps: first those that may be refused and disturb nothing."""
        yield Step("", ("plan",), lambda: self._adopt(self.new), lambda: self._adopt(self.old))
        for node, old, new in self._stay():
            yield from altering.rules(node, old, new)
            yield from altering.raw_rules(node, old, new)
            yield from Parameters(node, old, new).step()
            yield from altering.files(node, old, new)
        services = Services(self.lab, tuple(self._stay()))
        yield Step("", ("service",), services.stop, services.start_again)
        yield Step("", ("neighbours",), lambda: None, lambda: self._forget_neighbours(self.new, self.old))
        yield from self._network()
        if added := [node for node in self.new.nodes if node.name not in self.lab.nodes]:
            yield Step("", ("node",), lambda: self._add(added), self._drop)
        yield Step("", ("neighbours",), self._settle)
        start = partial(services.start, self.added)
        yield Step("", ("service", "node"), start, services.stop_again)
        if added:
            yield Step("", ("node",), self._start_up)
        if (control := self._recorder()) is not None and self.old.captures != self.new.captures:
            yield Step(
                "",
                ("capture",),
                lambda: recorder.choose(control, self.new),
                lambda: recorder.choose(control, self.old),
            )
        if (out := self.lab.request.out) is not None:
            # Whole or not at all: so there is nothing to take back.
            yield Step("", ("service",), lambda: self.lab.serving.record(out, self.new.nodes))

    def _adopt(self, plan: Plan) -> None:
        """Let the nodes that stay know what they are."""
        planned = {node.name: node for node in plan.nodes}
        for node, _, new in self._stay():
            node.plan = planned[new.name]

    # -- the network -------------------------------------------------------------------------------------

    def _network(self) -> Iterator[Step]:
        lab = self.lab
        yield Step("", ("recording",), lambda: self._follow(self.new), lambda: self._follow(self.old))
        gone = {
            lab.indexes[port.port]: f"link {port.port}" for node in self._gone() for port in node.plan.ports
        }
        if gone:
            yield Step(
                "",
                ("node",),
                lambda: rewiring.set_carrier(self.fabric, gone, on=False),
                lambda: rewiring.set_carrier(self.fabric, gone, on=True),
            )
        yield from self._switches()
        yield from splicing.step(lab, self.comparison, (self.fabric, self.indexes))
        for node, old, new in self._stay():
            if rewiring.differs(old, new):
                yield self._rewiring(node, old, new)

    def _follow(self, plan: Plan) -> None:
        if (control := self._recorder()) is not None:
            recorder.follow(control, plan, self._indexes(plan))

    def _recorder(self) -> socket.socket | None:
        """Return the way to the recorder, if there is one and it has not been told to end."""
        return self.lab.control if self.lab.recorder is not None else None

    def _indexes(self, plan: Plan) -> dict[str, int]:
        return self.indexes if plan is self.new else self.lab.indexes

    def _switches(self) -> Iterator[Step]:
        before = {switch.name: switch for switch in self.old.switches}
        for switch in self.new.switches:
            old = before.get(switch.name)
            if old is None:
                yield self._new_switch(switch)
            elif old.kind != switch.kind:
                yield self._other_kind(old, switch)

    def _new_switch(self, switch: Switch) -> Step:
        index = self.indexes[switch.bridge]
        return Step(
            "",
            ("network",),
            lambda: rewiring.add_switch(self.fabric, switch, index),
            lambda: rewiring.remove_links(self.fabric, {index: f"bridge {switch.bridge}"}),
        )

    def _other_kind(self, old: Switch, new: Switch) -> Step:
        index = self.indexes[new.bridge]
        return Step(
            new.name,
            ("kind",),
            lambda: rewiring.set_kind(self.fabric, new, index),
            lambda: rewiring.set_kind(self.fabric, old, index),
        )

    def _rewiring(self, node: NodeSpace, old: PlannedNode, new: PlannedNode) -> Step:
        before, after = self._place(node, self.old), self._place(node, self.new)
        aspects = ("interface", "network", "address", "IPv6 address", "MAC", "link", "route", "mtu")
        return Step(
            new.name,
            aspects,
            lambda: rewiring.rewire(old, new, after),
            lambda: rewiring.rewire(new, old, before),
        )

    def _place(self, node: NodeSpace, plan: Plan) -> rewiring.Place:
        indexes = self._indexes(plan)
        bridges = {switch.name: indexes[switch.bridge] for switch in plan.switches}
        return rewiring.Place(self.fabric, node.network, indexes, bridges)

    def _settle(self) -> None:
        """Let all nodes know, and have said, what is new in the network."""
        self._forget_neighbours(self.old, self.new)
        for node, old, new in self._stay():
            rewiring.wait_reported(old, new, node.network)
        for node in self.added.values():
            rewiring.wait_reported(None, node.plan, node.network)

    def _forget_neighbours(self, old: Plan, new: Plan) -> None:
        stay = {planned.name: node.network for node, _, planned in self._stay()}
        rewiring.forget_neighbours(old, new, stay)

    # -- nodes that come and go --------------------------------------------------------------------------

    def _add(self, added: Sequence[PlannedNode]) -> None:
        made = make_namespaces(replace(self.new, nodes=tuple(added)))
        self.added.update({node.name: NodeSpace(node, made[node.name]) for node in added})
        for node in self.added.values():
            rewiring.rewire(None, node.plan, self._place(node, self.new))
        building.apply_rules(self.added.values())
        startup.give(self.added.values())

    def _drop(self) -> None:
        """End the nodes that were added."""
        links: dict[int, str] = {}
        for node in self.added.values():
            for port in node.plan.ports:
                links |= links_of(port, self.indexes)
        for node in self.added.values():
            end_node(self.lab, node)
        rewiring.remove_links(self.fabric, links)
        self.added.clear()

    def _start_up(self) -> None:
        around = startup.Surroundings(self.new, self.lab.logs, self.lab.request.out)
        started = startup.start(self.added.values(), around)
        self.lab.services |= {daemon.pid: daemon for daemon in started}

    def _commit(self) -> None:
        """Let the lab be the new plan's; what is removed ends here, and where it does not, that stays so."""
        lab, gone = self.lab, self._gone()
        stale = {index: name for name, index in lab.indexes.items() if name not in self.indexes}
        spaces = lab.nodes | self.added
        lab.nodes = {node.name: spaces[node.name] for node in self.new.nodes}
        lab.request = replace(lab.request, plan=self.new)
        lab.warm.plan = self.new
        lab.indexes = self.indexes
        with contextlib.suppress(MachineError):  # nothing leads there any more
            rewiring.remove_links(self.fabric, stale)
        for node in gone:
            lab.warm.scripts.pop(node.plan.name, None)  # one of that name that comes later draws anew
            with contextlib.suppress(LabError):  # what waits for a disk has no network any more
                end_node(lab, node)


# -- what went wrong -------------------------------------------------------------------------------------


def _failure(error: BaseException, step: str, problems: Sequence[str]) -> BaseException:
    """Return the error as the user is to see it: which step, why, and what became of the lab."""
    end = "nothing was changed"
    if problems:
        end = f"and not all could be taken back ({'; '.join(problems)}): end the lab with netlab down"
    if isinstance(error, InputError):
        return InputError([replace(fault, hint=f"{fault.hint}; {end}") for fault in error.faults])
    if isinstance(error, OSError):
        error = LabError(f"{error.filename or 'the machine'}: {error.strerror}", "see `netlab doctor`")
    if not isinstance(error, NetlabError):
        return error
    what = f"the step '{step}' failed: {error.what} ({end})"
    if isinstance(error, ServiceError):
        return ServiceError(what, error.hint, error.log)
    return type(error)(what, error.hint)
