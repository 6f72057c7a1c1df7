"""Filters of packet sockets: which interfaces of a network namespace they hear (classic BPF)."""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from collections.abc import Iterable, Iterator

# linux/filter.h, linux/bpf_common.h
_SO_ATTACH_FILTER = 26
_LOAD_INTERFACE = (0x20, 0, 0, 0xFFFFF000 + 8)  # SKF_AD_OFF + SKF_AD_IFINDEX
_AT_LEAST, _MORE_THAN, _RETURN = 0x35, 0x25, 0x06
_INSTRUCTION = struct.Struct("=HBBI")
_WHOLE_FRAME = 0x40000
_MOST_INSTRUCTIONS = 4096


def program(interfaces: Iterable[int]) -> bytes:
    """Return a classic BPF program that lets through what these interfaces (by index) take in."""
    code = [_LOAD_INTERFACE]
    for first, last in _runs(interfaces):
        code += [(_AT_LEAST, 0, 2, first), (_MORE_THAN, 1, 0, last), (_RETURN, 0, 0, _WHOLE_FRAME)]
    code.append((_RETURN, 0, 0, 0))
    if len(code) > _MOST_INSTRUCTIONS:  # far apart as they are: hear all, and choose above
        code = [(_RETURN, 0, 0, _WHOLE_FRAME)]
    return b"".join([_INSTRUCTION.pack(*one) for one in code])


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of each run of numbers that follow each other."""
    ordered = sorted(set(numbers))
    while ordered:
        length = 1
        while length < len(ordered) and ordered[length] == ordered[0] + length:
            length += 1
        yield ordered[0], ordered[length - 1]
        del ordered[:length]


def hear_only(sock: socket.socket, interfaces: Iterable[int]) -> None:
    """Let a packet socket take frames of these interfaces only, from now on.

    Where there are too many for this kernel (net.core.optmem_max), it takes all: who reads it must choose.
    """
    try:
        _attach(sock, program(interfaces))
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
        _attach(sock, _INSTRUCTION.pack(_RETURN, 0, 0, _WHOLE_FRAME))


def _attach(sock: socket.socket, code: bytes) -> None:
    held = ctypes.create_string_buffer(code, len(code))
    request = struct.pack("@HP", len(code) // _INSTRUCTION.size, ctypes.addressof(held))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, request)
