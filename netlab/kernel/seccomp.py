"""A filter that keeps a process, and all that it starts, from user namespaces, where it had all capabilities.

Engines refuse them to any container by their own filter, but not to one that may mount, as the fabric.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Mapping, Sequence

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2  # prctl(2), seccomp(2)
_CLONE_NEWUSER = 0x10000000

# By machine as uname(2) has it: AUDIT_ARCH_* of its calling conventions → numbers of unshare, clone, clone3.
_CALLS: Mapping[str, Mapping[int, tuple[int, int, int]]] = {
    "x86_64": {0xC000003E: (272, 56, 435), 0x40000003: (310, 120, 435)},
    "aarch64": {0xC00000B7: (97, 220, 435), 0x40000028: (337, 120, 435)},
}
_X32 = 0x40000000  # the bit by which x32's numbers differ from x86_64's

# Instructions of classic BPF (linux/bpf_common.h), and verdicts of linux/seccomp.h.
_LOAD, _AND, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x45, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in seccomp_data; both machines are little-endian

Instruction = tuple[int, int, int, int]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def refuse_user_namespaces() -> None:
    """Install the filter; on a machine that it does not know, nothing. Takes no-new-privileges. OSError."""
    calls = _CALLS.get(os.uname().machine)
    if calls is None:
        return
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program(calls))
    packed = _Program(len(code) // 8, code)
    if _LIBC.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.byref(packed), 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "seccomp")


def program(calls: Mapping[int, tuple[int, int, int]]) -> Sequence[Instruction]:
    """Return the filter as (code, jump if true, jump if not, value).

    clone3 keeps its flags where no filter reads them: ENOSYS makes libraries use clone.
    """
    made: list[Instruction] = [(_LOAD, 0, 0, _ARCHITECTURE)]
    for architecture, numbers in calls.items():
        block = _block(*numbers)
        made += [(_EQUAL, 0, len(block), architecture), *block]
    return [*made, (_RETURN, 0, 0, _REFUSE | errno.ENOSYS)]


def _block(unshare: int, clone: int, clone3: int) -> list[Instruction]:
    return [
        (_LOAD, 0, 0, _NUMBER),
        (_AND, 0, 0, ~_X32 & 0xFFFFFFFF),
        (_EQUAL, 6, 0, clone3),
        (_EQUAL, 1, 0, unshare),
        (_EQUAL, 0, 3, clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_ANY_BIT, 0, 1, _CLONE_NEWUSER),
        (_RETURN, 0, 0, _REFUSE | errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE | errno.ENOSYS),
    ]
