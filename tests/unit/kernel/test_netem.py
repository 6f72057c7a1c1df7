"""What is said of netem to the kernel is what pyroute2 would say."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from netlab.kernel import netem
from netlab.topology.wires import Burst, Chance
from tests.unit.kernel.test_netlink import REQUEST, SEQUENCE, encoded, indexes

ROOT = 0xFFFFFFFF
CREATE_OR_REPLACE = 0x500
shares = st.floats(0, 1, exclude_min=True)


def sent(chance: Chance, seed: int | None = None, ifindex: int = 100) -> Any:
    """Return a message as pyroute2 reads it."""
    message = tcmsg(netem.impairment(ifindex, chance, seed, "x").encode(SEQUENCE))
    message.decode()
    return message


def options(chance: Chance) -> Any:
    """Return the options in it."""
    return sent(chance).get_attr("TCA_OPTIONS")


def scaled(share: float) -> int:
    """Return a share as the kernel has it."""
    return round(share * 0xFFFFFFFF)


@given(indexes)
def test_nothing_takes_it_away(ifindex: int) -> None:
    """Without any impairment the root goes, whatever it was."""
    fields = {"family": 0, "index": ifindex, "handle": 0, "parent": ROOT}
    wanted = encoded(tcmsg(), netem.RTM_DELQDISC, REQUEST, fields, [])
    assert netem.impairment(ifindex, Chance(), 7, "x").encode(SEQUENCE) == wanted


@given(indexes, shares, shares)
def test_shares(ifindex: int, loss: float, duplicate: float) -> None:
    """Loss, duplicates, corruption and reordering, of the whole of 32 bits; the root is made or replaced."""
    chance = Chance(loss=loss, duplicate=duplicate, corrupt=loss, reorder=duplicate, delay=1.0)
    message = sent(chance, ifindex=ifindex)
    assert (message["index"], message["parent"]) == (ifindex, ROOT)
    assert message["header"]["flags"] == REQUEST | CREATE_OR_REPLACE
    assert message.get_attr("TCA_KIND") == "netem"
    told = message.get_attr("TCA_OPTIONS")
    assert (told["loss"], told["duplicate"], told["gap"]) == (scaled(loss), scaled(duplicate), 1)
    assert told.get_attr("TCA_NETEM_CORRUPT")["prob_corrupt"] == scaled(loss)
    assert told.get_attr("TCA_NETEM_REORDER")["prob_reorder"] == scaled(duplicate)


def attributes(chance: Chance, seed: int | None = None) -> dict[int, bytes]:
    """Return the options that follow the fixed ones, by number."""
    body = netem.impairment(100, chance, seed, "x").body
    at = 20 + 12  # tcmsg, and the attribute that says "netem"
    at += 4 + 24  # the options' own head, and the fixed ones
    found = {}
    while at < len(body):
        size, kind = struct.unpack_from("=HH", body, at)
        found[kind] = body[at + 4 : at + size]
        at += size + -size % 4
    return found


def test_times_rates_bursts_and_seed() -> None:
    """Times are in ns, rates in bytes a second; of a burst's states the kernel wants what they spare."""
    burst = Burst(0.25, 0.5, bad=0.75, good=0.125)
    told = attributes(Chance(burst=burst, delay=0.02, jitter=0.005, rate=100_000_000_000), 7)
    assert struct.unpack("=q", told[10]) == (20_000_000,)
    assert struct.unpack("=q", told[11]) == (5_000_000,)
    assert struct.unpack("=Iiii", told[6])[0] == 0xFFFFFFFF
    assert struct.unpack("=Q", told[8]) == (12_500_000_000,)
    assert struct.unpack("=HH4I", told[5])[:2] == (20, 2)
    assert struct.unpack("=HH4I", told[5])[2:] == tuple(map(scaled, (0.25, 0.5, 0.25, 0.125)))
    assert struct.unpack("=Q", told[14]) == (7,)
    assert set(attributes(Chance(rate=8000))) == {6}
    assert struct.unpack("=Iiii", attributes(Chance(rate=8000))[6])[0] == 1000
