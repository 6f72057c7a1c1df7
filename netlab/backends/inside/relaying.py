"""The wires of a lab: the process that carries the frames of wired ports, and what it is told and asked.

What that process does is `netlab.wire.relay`'s. It is there once a port has a wire in user space.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlab.backends.inside import channel, daemons, parcel
from netlab.errors import LabError
from netlab.kernel import namespace
from netlab.plan.model import Plan
from netlab.plan.names import wire_ends
from netlab.plan.segments import ETHERNET_MTU, relayed
from netlab.report import fates

if TYPE_CHECKING:
    from netlab.wire.relay import Lead, Relay

WHO = "the wires' relay"
_ANSWER_SECONDS = 30.0
_LAST_SECONDS = 5.0
# What a relay that was killed has not told of: one packet at least, so that the record is not called whole.
_NOBODY_KNOWS = 1
_AT_ONCE = 1000  # ports that one message tells of: 150 bytes each
# How long a lab's end waits for what is under way, and for how long nothing is to be: kernels answer late,
# too, after 40 ms at most (a delayed ACK).
_SETTLED_SECONDS = 1.0
_QUIET_SECONDS = 0.06
_ASKED_EVERY_SECONDS = 0.01


@dataclass(slots=True)
class Wires:
    """A lab's relay, and the supervisor's way to it, while a port has a wire in user space.

    `feed` is the relay's end of the way to the recorder, where there is one: a later relay takes it up again.
    """

    log: Path
    feed: socket.socket | None = None
    daemon: daemons.Daemon | None = None
    control: socket.socket | None = None
    lost: int = 0  # by relays that were before

    def follow(self, plan: Plan, indexes: Mapping[str, int], *, back: bool = False) -> None:
        """Let a plan's wires be those that there are, from before their ports carry their first packet.

        What is taken off a wire goes on its way at once. `back`: the latest change is taken back, so that
        they go on where they were. Where the relay has ended nobody is told. A relay without wires stays
        until `settle`.
        """
        wanted = _of_wires(plan, indexes)
        if self.control is None:
            if wanted:
                self._launch(plan, indexes)
        elif self.daemon is not None:
            with parcel.wrapped(plan) as descriptor:
                self._ask({"do": "follow", "indexes": wanted, "back": back}, (descriptor,))

    def settle(self, plan: Plan) -> None:
        """End a relay that has nothing to carry any more, or forget one that has ended."""
        if not any(map(relayed, plan.ports)):
            self._stop()

    def check(self) -> None:
        """Raise LabError where there was a relay and it has ended."""
        if self.control is not None:
            self._ask({"do": "count", "first": 0})

    def _launch(self, plan: Plan, indexes: Mapping[str, int]) -> None:
        """Start to carry the frames of a plan's wired ports; when this returns, none is missed."""
        ours, theirs = channel.pair()
        feed = self.feed
        keep = [theirs.fileno(), *([feed.fileno()] if feed is not None else [])]

        def body(ready: daemons.Saying) -> int:
            return _carry(plan, indexes, (theirs, feed), ready)

        daemon = daemons.launch(WHO, body, self.log, keep)
        theirs.close()
        try:
            daemons.wait_ready({daemon.ready: daemon})
        except LabError:
            ours.close()
            raise
        self.daemon, self.control = daemon, ours

    def _stop(self) -> None:
        if self.control is None:
            return
        with contextlib.suppress(LabError):  # it has ended, which is told
            self.lost = self.counts()["lost"]
        self.control.close()
        self.control = None
        if self.daemon is not None:
            ended, self.daemon = self.daemon, None
            os.waitpid(ended.pid, 0)

    def counts(self) -> dict[str, Any]:
        """Return what each wire did, by port and direction, and how many frames were `lost`."""
        ports: dict[str, Any] = {}
        answer: channel.Message = {"lost": 0, "under_way": 0}
        while self.control is not None:
            answer = self._ask({"do": "count", "first": len(ports)})
            ports |= answer["ports"]
            if not answer["more"]:
                break
        lost, under_way = self.lost + answer["lost"], answer["under_way"]
        return {"ports": ports, "lost": lost, "under_way": under_way}

    def come_to_rest(self) -> None:
        """Wait, but not for long, until nothing is under way: no record is to end within an exchange."""
        if self.control is None:
            return
        now = time.monotonic()
        limit, quiet_since = now + _SETTLED_SECONDS, now
        with contextlib.suppress(LabError):  # it has ended, which is told
            while now < min(limit, quiet_since + _QUIET_SECONDS):
                under_way = self.counts()["under_way"]
                time.sleep(_ASKED_EVERY_SECONDS)
                now = time.monotonic()
                quiet_since = now if under_way else quiet_since

    def complaints(self) -> list[dict[str, Any]]:
        """Return what is to be told at the lab's end, as of daemons that have ended before their time."""
        try:
            lost = self.counts()["lost"]
        except LabError:  # it has ended, which is told
            return []
        if not lost:
            return []
        how = f"lost {lost} packet{'s' * (lost != 1)} that came faster than it could carry them"
        hint = "run it again, with less traffic or on a machine that is less busy"
        return [{"who": WHO, "status": None, "how": how, "hint": hint, "log": []}]

    def has_ended(self, pid: int) -> daemons.Daemon | None:
        """Note the end of a process; return it if it was the relay."""
        if self.daemon is None or self.daemon.pid != pid:
            return None
        ended, self.daemon = self.daemon, None
        if self.feed is not None:
            with contextlib.suppress(OSError):
                self.feed.send(fates.end(_NOBODY_KNOWS, gone=True), socket.MSG_DONTWAIT)
        return ended

    def _ask(self, message: channel.Message, descriptors: tuple[int, ...] = ()) -> channel.Message:
        assert self.control is not None
        number = time.monotonic_ns()
        deadline = time.monotonic() + _ANSWER_SECONDS
        if self.daemon is None:
            raise LabError(f"{WHO} has ended", "end the lab, and start it again")
        channel.send(self.control, message | {"number": number}, descriptors)
        answer: channel.Message = {}
        while answer.get("number") != number:  # the answer to an earlier one may have come too late
            if not channel.wait(self.control, max(0.0, deadline - time.monotonic())):
                what = f"{WHO} has not answered for {_ANSWER_SECONDS:g} s"
                raise LabError(what, "the machine may be overloaded")
            received = channel.receive(self.control)
            if received is None:
                raise LabError(f"{WHO} has ended", "end the lab, and start it again")
            answer = received[0]
        return answer


def _of_wires(plan: Plan, indexes: Mapping[str, int]) -> dict[str, int]:
    """Return the ifindexes of the ends at which frames come in, by name."""
    wired = [port.port for port in plan.ports if relayed(port)]
    return {name: indexes[name] for port in wired for name in (port, wire_ends(port)[0])}


# -- in the relay ----------------------------------------------------------------------------------------


def _carry(
    plan: Plan,
    indexes: Mapping[str, int],
    ends: tuple[socket.socket, socket.socket | None],
    ready: daemons.Saying,
) -> int:
    """Be the relay."""
    from netlab.kernel.frames import Intake
    from netlab.wire.feed import Feed
    from netlab.wire.relay import Relay, run

    # The numbers of a large lab's descriptors are more than select(2) knows; those given now are the lowest.
    control = ends[0].dup()
    feed = Feed(ends[1].dup()) if ends[1] is not None else None
    try:
        relay = Relay(Intake(_largest_mtu(plan)), feed)
    except OSError as error:
        os.write(2, f"the kernel gives no memory-mapped packet socket: {error.strerror}\n".encode())
        return 1
    _follow(relay, plan, indexes, back=False)
    ready()
    run(relay, {control.fileno(): lambda: _hear(relay, control)})
    return 0


def _follow(relay: Relay, plan: Plan, indexes: Mapping[str, int], *, back: bool) -> None:
    leads = _leads(plan, indexes)
    namespace.allow_descriptors(2 * len(leads))
    relay.source.fit(_largest_mtu(plan))
    relay.follow(leads, back=back)


def _largest_mtu(plan: Plan) -> int:
    return max(port.mtu or ETHERNET_MTU for port in plan.ports)


def _leads(plan: Plan, indexes: Mapping[str, int]) -> list[Lead]:
    from netlab.wire.relay import Lead

    return [
        Lead(port, indexes[port.port], indexes[wire_ends(port.port)[0]])
        for port in plan.ports
        if relayed(port)
    ]


def _hear(relay: Relay, control: socket.socket) -> None:
    """Do what the supervisor asks for."""
    received = channel.receive(control)
    if received is None:  # there is nothing to carry any more, or no supervisor
        if relay.feed is not None:
            relay.feed.leave(relay.lost, _LAST_SECONDS)
        os._exit(0)
    message, descriptors = received
    answer: channel.Message = {"number": message["number"]}
    if message["do"] == "follow":
        plan = parcel.read(*descriptors)
        os.close(*descriptors)
        _follow(relay, plan, message["indexes"], back=message["back"])
    else:
        every = list(relay.tallies().items())
        end = message["first"] + _AT_ONCE
        tallies, answer["more"] = every[message["first"] : end], end < len(every)
        answer["lost"], answer["under_way"] = relay.lost, relay.under_way
        answer["ports"] = {
            port: {way: _counted(tally) for way, tally in zip(("received", "sent"), both, strict=True)}
            for port, both in tallies
        }
    channel.send(control, answer)


def _counted(tally: Any) -> dict[str, int]:  # noqa: ANN401 — the relay's
    names = ("dropped", "delayed", "altered")
    return {"packets": tally.frames} | {name: getattr(tally, name) for name in names}
