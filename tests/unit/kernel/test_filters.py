"""Filters let through what they are to, as a machine for classic BPF runs them."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from netlab.kernel.filters import program

LOAD, AT_LEAST, MORE_THAN, RETURN = 0x20, 0x35, 0x25, 0x06


def passes(code: bytes, interface: int) -> bool:
    """Run a program on a packet of an interface; it must come to an end within itself."""
    instructions = list(struct.iter_unpack("=HBBI", code))
    at, value = 0, 0
    while True:
        kind, jump_true, jump_false, operand = instructions[at]
        at += 1
        if kind == LOAD:
            assert operand == 0xFFFFF008  # SKF_AD_OFF + SKF_AD_IFINDEX
            value = interface
        elif kind == RETURN:
            return operand > 0
        else:
            holds = value >= operand if kind == AT_LEAST else value > operand
            assert kind in (AT_LEAST, MORE_THAN)
            at += jump_true if holds else jump_false


@given(st.sets(st.integers(1, 60)), st.integers(1, 60))
def test_chosen_interfaces_pass(interfaces: set[int], interface: int) -> None:
    """Those, and no others."""
    assert passes(program(interfaces), interface) == (interface in interfaces)


def test_many_far_apart() -> None:
    """More than fit into a program are all let through: who hears chooses."""
    assert passes(program(range(1, 6000, 2)), 2)
    assert not passes(program(range(1, 6000)), 6000)
