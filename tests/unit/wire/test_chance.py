"""What a seed decides: the same for the same packets, independent of what else is on the wire, and fair."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.topology.wires import Burst, Chance
from netlab.wire import chance as module
from netlab.wire.chance import Dice, Luck
from netlab.wire.packet import Packet, look
from tests.unit.wire.frames import ACK, tcp, udp

EVERYTHING = Chance(
    loss=0.3, burst=Burst(0.1, 0.3), delay=0.02, jitter=0.005, duplicate=0.3, reorder=0.3, corrupt=0.3
)
MANY = 4000


def lucks(chance: Chance, packets: list[Packet], seed: int = 7, name: str = "sent") -> list[Luck]:
    """Return the luck of packets that come in this order."""
    dice = Dice(seed, name, chance)
    return [dice.throw(packet, 100) for packet in packets]


FLOWS = [look(one) for one in (tcp(b"data"), tcp(), udp(b"x"), tcp(b"x", ports=(50000, 81)))]


@given(st.lists(st.sampled_from(FLOWS), max_size=40))
def test_how_flows_interleave_changes_nothing(order: list[Packet]) -> None:
    """A law: a packet's luck is its place in its own flow's; data and acknowledgments are two flows here."""
    together = lucks(EVERYTHING, order)
    for flow in FLOWS:
        alone = lucks(EVERYTHING, [packet for packet in order if packet is flow])
        assert [luck for packet, luck in zip(order, together, strict=True) if packet is flow] == alone


def test_a_kernels_choices_change_nothing() -> None:
    """Neither the client's port nor any number in the header is asked."""
    one = [look(tcp(b"x", ports=(33000, 80))) for _ in range(50)]
    other = [look(tcp(b"other", flags=ACK | 8, ports=(45000, 80))) for _ in range(50)]
    assert lucks(EVERYTHING, one) == lucks(EVERYTHING, other)


def test_seeds_and_directions_differ() -> None:
    """Another seed, or the other direction, is other luck; the same is the same."""
    packets = [FLOWS[0]] * 100
    told = [lucks(EVERYTHING, packets, seed, name) for seed in (7, 8) for name in ("sent", "received")]
    assert all(told[a] != told[b] for a in range(4) for b in range(a))
    assert lucks(EVERYTHING, packets) == told[0]


def test_the_numbers_are_these() -> None:
    """Another version of the project must not give other fates: a few are written down."""
    assert lucks(EVERYTHING, [FLOWS[0]] * 6, seed=2012) == [
        Luck(lost=True, jitter=-4681107),
        Luck(lost=True, flip=112, jitter=237779),
        Luck(late=True, jitter=3547532),
        Luck(lost=True, jitter=-535489),
        Luck(lost=True, flip=173, jitter=-3677861),
        Luck(lost=True, twice=True, late=True, jitter=-2207001),
    ]


@pytest.mark.parametrize("name", ["loss", "duplicate", "reorder", "corrupt"])
@pytest.mark.parametrize("rate", [0.0, 0.03, 0.5, 1.0])
def test_rates_approach_the_chances(name: str, rate: float) -> None:
    """Within five standard deviations; never at 0, always at 1."""
    told = lucks(Chance(**{name: rate}), [FLOWS[0]] * MANY)
    hits = {
        "loss": sum(luck.lost for luck in told),
        "duplicate": sum(luck.twice for luck in told),
        "reorder": sum(luck.late for luck in told),
        "corrupt": sum(luck.flip is not None for luck in told),
    }
    spread = 5 * (MANY * rate * (1 - rate)) ** 0.5
    assert abs(hits.pop(name) - MANY * rate) <= spread
    assert set(hits.values()) == {0}


def test_bursts_have_their_rate_and_their_length() -> None:
    """A share of enter / (enter + leave) is lost, in runs of 1 / leave packets on average."""
    told = [luck.lost for luck in lucks(Chance(burst=Burst(0.02, 0.25)), [FLOWS[0]] * 40_000)]
    runs = sum(here and not before for before, here in zip([False, *told], told, strict=False))
    assert sum(told) / len(told) == pytest.approx(0.02 / 0.27, rel=0.15)
    assert sum(told) / runs == pytest.approx(4, rel=0.15)


def test_a_bursts_states_have_their_own_loss() -> None:
    """`good` loses where there is no burst, and a bad state need not lose all."""
    always_bad = lucks(Chance(burst=Burst(1, 0, bad=0.5)), [FLOWS[0]] * MANY)
    never_bad = lucks(Chance(burst=Burst(0, 1, good=0.1)), [FLOWS[0]] * MANY)
    assert sum(luck.lost for luck in always_bad) / MANY == pytest.approx(0.5, abs=0.05)
    assert sum(luck.lost for luck in never_bad) / MANY == pytest.approx(0.1, abs=0.03)


def test_jitter_spreads_evenly() -> None:
    """From -5 to +5 ms, both ends come near, and their mean is nothing."""
    spread = [luck.jitter for luck in lucks(Chance(delay=0.02, jitter=0.005), [FLOWS[0]] * MANY)]
    assert -5_000_000 <= min(spread) < -4_900_000
    assert 4_900_000 < max(spread) <= 5_000_000
    assert abs(sum(spread) / MANY) < 250_000


def test_any_bit_behind_the_ethernet_header_may_fall() -> None:
    """All of them do in the end, and no other."""
    dice = Dice(7, "sent", Chance(corrupt=1.0))
    assert {dice.throw(FLOWS[0], 18).flip for _ in range(500)} == set(range(32))
    assert dice.throw(FLOWS[0], 14).flip is None


@settings(max_examples=20)
@given(st.sampled_from([each.name for each in fields(Chance) if each.name not in ("burst", "rate", "delay")]))
def test_one_setting_leaves_the_others_luck(name: str) -> None:
    """A law: to take one away changes what it did, and nothing else."""
    less = lucks(replace(EVERYTHING, burst=None, **{name: 0.0}), [FLOWS[0]] * 200)
    more = lucks(replace(EVERYTHING, burst=None), [FLOWS[0]] * 200)
    ours = {"loss": "lost", "duplicate": "twice", "reorder": "late", "corrupt": "flip", "jitter": "jitter"}[
        name
    ]
    gone = {ours: Luck._field_defaults[ours]}
    assert [luck._replace(**gone) for luck in more] == less


def test_nothing_is_thrown_for_nothing() -> None:
    """A constant delay and a rate need no luck."""
    assert not Dice(7, "sent", Chance(delay=0.2, rate=1000)).is_thrown
    assert all(
        Dice(7, "sent", one).is_thrown
        for one in (Chance(loss=0.1), Chance(burst=Burst(0, 1)), Chance(delay=1, jitter=1), Chance(corrupt=1))
    )


def test_a_flood_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond so many flows all others count as one."""
    monkeypatch.setattr(module, "MAX_FLOWS", 10)
    dice = Dice(7, "sent", EVERYTHING)
    for number in range(100):
        dice.throw(FLOWS[0]._replace(flow=number.to_bytes(4, "big")), 100)
    assert len(dice._flows) == 11
