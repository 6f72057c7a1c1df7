"""The kernel's own impairments, netem, as the root queueing discipline of an interface (tc-netem(8)).

A test holds the messages to pyroute2's own encoding. Counterpart: `netlab.plan.cables`, which shows the same
as tc commands.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence

from netlab.errors import MachineError
from netlab.kernel.netlink import LOOPBACK, NLM_F_CREATE, NLM_F_REQUEST, Message, RouteSocket, attribute
from netlab.kernel.relinking import GONE, NLM_F_REPLACE
from netlab.topology.wires import Chance

RTM_NEWQDISC, RTM_DELQDISC = 36, 37
LIMIT = 10_000  # packets that may be held: what 20 ms are at half a million a second

# linux/rtnetlink.h, linux/pkt_sched.h
_TC = struct.Struct("=BxxxiIII")
_ROOT = 0xFFFFFFFF
_TCA_KIND, _TCA_OPTIONS = 1, 2
_OPTIONS = struct.Struct("=6I")  # latency, limit, loss, gap, duplicate, jitter
_REORDER, _CORRUPT, _LOSS, _RATE, _RATE64, _LATENCY64, _JITTER64, _SEED = 3, 4, 5, 6, 8, 10, 11, 14
_GILBERT_ELLIOTT = 2
_PAIR, _FOUR, _RATE_OPTIONS = struct.Struct("=II"), struct.Struct("=4I"), struct.Struct("=IiIi")
_MOST = 0xFFFFFFFF


def impairment(ifindex: int, chance: Chance, seed: int | None, what: str) -> Message:
    """Let netem do with what leaves by an interface what chance says; without any, take it away.

    The seed is heeded by Linux 6.7 and later.
    """
    head = _TC.pack(0, ifindex, 0, _ROOT, 0)
    if chance == Chance():
        return Message(RTM_DELQDISC, NLM_F_REQUEST, head, f"netem of {what}")
    body = head + attribute(_TCA_KIND, b"netem\0") + attribute(_TCA_OPTIONS, _options(chance, seed))
    return Message(RTM_NEWQDISC, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE, body, f"netem of {what}")


def _options(chance: Chance, seed: int | None) -> bytes:
    gap = 1 if chance.reorder else 0
    body = _OPTIONS.pack(0, LIMIT, _scaled(chance.loss), gap, _scaled(chance.duplicate), 0)
    for kind, share in ((_REORDER, chance.reorder), (_CORRUPT, chance.corrupt)):
        if share:
            body += attribute(kind, _PAIR.pack(_scaled(share), 0))
    if burst := chance.burst:
        chances = (burst.enter, burst.leave, 1 - burst.bad, burst.good)
        body += attribute(_LOSS, attribute(_GILBERT_ELLIOTT, _FOUR.pack(*map(_scaled, chances))))
    if chance.rate is not None:
        rate = max(1, chance.rate // 8)
        body += attribute(_RATE, _RATE_OPTIONS.pack(min(rate, _MOST), 0, 0, 0))
        body += attribute(_RATE64, struct.pack("=Q", rate)) if rate > _MOST else b""
    for kind, seconds in ((_LATENCY64, chance.delay), (_JITTER64, chance.jitter)):
        if seconds:
            body += attribute(kind, struct.pack("=q", round(seconds * 1e9)))
    return body + (attribute(_SEED, struct.pack("=Q", seed)) if seed is not None else b"")


def _scaled(share: float) -> int:
    return round(share * _MOST)


def impair(route: RouteSocket, messages: Sequence[Message]) -> None:
    """Send impairments; what is not there need not be taken away."""
    for message in messages:
        absent = GONE | {errno.EINVAL} if message.kind == RTM_DELQDISC else ()
        route.send([message], absent)


def require(whose: str) -> None:
    """Raise MachineError unless the kernel has netem, which is tried in the current network namespace."""
    tried = impairment(LOOPBACK, Chance(delay=0.001), None, "lo")
    with RouteSocket() as route:
        try:
            route.send([tried])
        except MachineError:
            what = f"the wire of {whose} is to be the kernel's netem, and this kernel has none"
            hint = "sudo modprobe sch_netem, or leave out engine: netem, and netlab is the wire"
            raise MachineError(what, hint) from None
        impair(route, [impairment(LOOPBACK, Chance(), None, "lo")])
