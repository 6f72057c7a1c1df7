"""The filter against user namespaces: a BPF program, run here by hand on any system call of any machine."""

from __future__ import annotations

import errno
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.kernel.seccomp import _CALLS, Instruction, program

NEWUSER = 0x10000000
ALLOW = 0x7FFF0000
MACHINES = [(machine, architecture) for machine, calls in _CALLS.items() for architecture in calls]


def verdict(instructions: Sequence[Instruction], architecture: int, number: int, argument: int) -> int:
    """Run a program as the kernel does, and return what it returns."""
    words = {0: number, 4: architecture, 16: argument & 0xFFFFFFFF, 20: argument >> 32}
    held = position = 0
    while True:
        code, on_true, on_false, value = instructions[position]
        position += 1
        if code == 0x20:
            held = words[value]
        elif code == 0x54:
            held &= value
        elif code in (0x15, 0x45):
            position += on_true if (held == value if code == 0x15 else held & value) else on_false
        else:
            assert code == 0x06
            return value


def refused(verdict: int) -> int:
    """Return the errno with which a call is refused; 0 where it is not."""
    return 0 if verdict == ALLOW else verdict & 0xFFFF


@pytest.mark.parametrize(("machine", "architecture"), MACHINES)
def test_a_user_namespace_is_refused(machine: str, architecture: int) -> None:
    """By unshare and by clone, whatever else they are asked for; without it, both are let through."""
    filtered = program(_CALLS[machine])
    unshare, clone, clone3 = _CALLS[machine][architecture]
    for number in (unshare, clone):
        for flags in (NEWUSER, NEWUSER | 0x20000, 0xFFFFFFFF):
            assert refused(verdict(filtered, architecture, number, flags)) == errno.EPERM
        for flags in (0, 0x20000, 0x40000000, 0x11, NEWUSER << 32):
            assert refused(verdict(filtered, architecture, number, flags)) == 0
    assert refused(verdict(filtered, architecture, clone3, 0)) == errno.ENOSYS


@given(st.sampled_from(MACHINES), st.integers(0, 500), st.integers(0, (1 << 64) - 1))
def test_nothing_else_is_touched(where: tuple[str, int], number: int, argument: int) -> None:
    """Every other call passes, with any argument."""
    machine, architecture = where
    if number not in _CALLS[machine][architecture]:
        assert refused(verdict(program(_CALLS[machine]), architecture, number, argument)) == 0


def test_no_other_convention_leads_around_it() -> None:
    """x32 has the numbers of x86_64 with one bit more; an unknown convention has no call at all."""
    filtered = program(_CALLS["x86_64"])
    assert refused(verdict(filtered, 0xC000003E, 0x40000000 | 272, NEWUSER)) == errno.EPERM
    assert refused(verdict(filtered, 0x80000016, 303, NEWUSER)) == errno.ENOSYS
