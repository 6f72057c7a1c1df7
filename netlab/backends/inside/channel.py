"""What a session and its supervisor say to each other: JSON messages with descriptors, over SOCK_SEQPACKET.

A request is `{"do": verb, …}`, and its replies come over the same connection. Errors travel as
`encode_error` has them and are raised again, as what they were, on the other side.
"""

from __future__ import annotations

import array
import json
import os
import select
import socket
import struct
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from netlab import errors

LARGEST = 400_000  # bytes of one message: a command line with its environment
_MOST_DESCRIPTORS = 16
_TOO_LONG = "shorten the command or its environment"

Message = dict[str, Any]


def pair() -> tuple[socket.socket, socket.socket]:
    """Make the two ends of a channel."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LARGEST)
    return ends


def send(end: socket.socket, message: Message, descriptors: Sequence[int] = ()) -> None:
    """Send one message whole; LabError where it is too large or the other side has gone."""
    data = json.dumps(message).encode()
    if len(data) > LARGEST:  # the kernel might take it, and the other side would see a part
        raise errors.LabError(f"cannot talk to the lab: {len(data)} bytes are too many", _TOO_LONG)
    ancillary = []
    if descriptors:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    try:
        end.sendmsg([data], ancillary)
    except (BrokenPipeError, ConnectionResetError):
        raise errors.LabError("the lab has ended", "start it again") from None
    except OSError as error:
        raise errors.LabError(f"cannot talk to the lab: {error.strerror}", _TOO_LONG) from None


def wait(end: socket.socket, seconds: float | None) -> bool:
    """Wait until `receive` has something to say; False when the time is over first."""
    poll = select.poll()  # select(2) knows no descriptor above 1023
    poll.register(end, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


def receive(end: socket.socket) -> tuple[Message, list[int]] | None:
    """Receive one message and its descriptors; None when the other side has gone, or talks nonsense."""
    try:
        data, ancillary, flags, _ = end.recvmsg(
            LARGEST, socket.CMSG_SPACE(4 * _MOST_DESCRIPTORS), socket.MSG_CMSG_CLOEXEC
        )
    except ConnectionResetError:
        return None
    descriptors = array.array("i")
    for _, kind, payload in ancillary:
        if kind == socket.SCM_RIGHTS:
            descriptors.frombytes(payload[: len(payload) - len(payload) % descriptors.itemsize])
    message = _decode(data) if not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) else None
    if message is None:
        for descriptor in descriptors:
            os.close(descriptor)
        return None
    return message, list(descriptors)


def _decode(data: bytes) -> Message | None:
    try:
        message = json.loads(data)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def peer_user(end: socket.socket) -> int:
    """Return the user id of the process on the other side, as the kernel knows it."""
    _, user, _ = struct.unpack("3i", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(user)


def encode_error(error: BaseException) -> Message:
    """Turn an error into what `raise_error` raises again."""
    if isinstance(error, errors.ServiceError):
        return {"kind": type(error).__name__, "what": error.what, "hint": error.hint, "log": list(error.log)}
    if isinstance(error, errors.InputError):
        return {"kind": "InputError", "faults": [asdict(fault) for fault in error.faults]}
    if isinstance(error, errors.NetlabError):
        return {"kind": type(error).__name__, "what": error.what, "hint": error.hint}
    frame = traceback.extract_tb(error.__traceback__)[-1]
    what = f"the lab's supervisor failed at {frame.filename}:{frame.lineno}: {error!r}"
    return {"kind": "LabError", "what": what, "hint": "this is a fault of netlab: please report it"}


def raise_error(encoded: Message) -> None:
    """Raise the error that `encode_error` packed."""
    kind = getattr(errors, encoded.pop("kind"))
    if kind is errors.InputError:
        raise errors.InputError([_fault(packed) for packed in encoded["faults"]])
    raise kind(**encoded)


def _fault(packed: Message) -> errors.Fault:
    return errors.Fault(**{**packed, "place": errors.Place(**packed["place"])})
