"""The few nf_tables messages that a lab's start and end need, packed by hand, and the socket that sends them.

They are here, and not pyroute2's, because importing that takes longer than the whole start of a small lab;
a test holds each to pyroute2's own encoding. Counterpart: `netlab.kernel.firewall`, which says what to send.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from netlab.errors import MachineError

# linux/netlink.h, linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
_NETLINK_NETFILTER, _NFNL_SUBSYS_NFTABLES = 12, 10
_BATCH_BEGIN, _BATCH_END = 16, 17
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_EXCL, _NLM_F_CREATE, _NLM_F_APPEND, _NLM_F_DUMP = (
    1,
    4,
    0x200,
    0x400,
    0x800,
    0x300,
)
NEW_TABLE, NEW_CHAIN, NEW_RULE, GET_RULE = 0, 3, 6, 7
_NFPROTO_INET = 1
_TYPE_MASK = 0x3FFF
_HOOKS = {"prerouting": 0, "input": 1, "forward": 2, "output": 3, "postrouting": 4}
_ACCEPT = 1

_HEADER = struct.Struct("=IHHII")
_FAMILY = struct.Struct(">BBH")  # struct nfgenmsg
_ATTRIBUTE = struct.Struct("=HH")
_RECEIVE = 65536

_REASONS = {
    errno.EPERM: ("it takes CAP_NET_ADMIN over the network namespace", "run `netlab doctor`"),
    errno.EEXIST: ("its table is there already", "run it in a fresh network namespace"),
}
_NO_MODULE = "load it: `modprobe -a nft_ct nft_reject_inet nft_chain_nat nft_masq nft_nat`"
_NO_NFTABLES = ("this kernel has no nf_tables for family inet", "load it: `modprobe nf_tables`")


class Message(NamedTuple):
    """One request: its kind (NEW_TABLE, …), its flags, its attributes; `what` is what errors call it."""

    kind: int
    flags: int
    body: bytes
    what: str = ""

    def encode(self, sequence: int) -> bytes:
        """Give the message its headers."""
        kind = _NFNL_SUBSYS_NFTABLES << 8 | self.kind
        return _headed(kind, self.flags, sequence, _NFPROTO_INET, 0, self.body)


def _headed(kind: int, flags: int, sequence: int, family: int, resource: int, body: bytes = b"") -> bytes:
    size = _HEADER.size + _FAMILY.size + len(body)
    return _HEADER.pack(size, kind, flags, sequence, 0) + _FAMILY.pack(family, 0, resource) + body


def attribute(kind: int, data: bytes) -> bytes:
    """Pack one attribute, padded."""
    size = _ATTRIBUTE.size + len(data)
    return _ATTRIBUTE.pack(size, kind) + data + bytes(-size % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """Pack an attribute that holds others."""
    return attribute(kind, b"".join(attributes))


def text(kind: int, value: str) -> bytes:
    """Pack a string."""
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    """Pack a 32-bit number; nf_tables has them in network order."""
    return attribute(kind, struct.pack(">I", value))


def table(name: str) -> Message:
    """Make a table, which must not be there yet."""
    return Message(NEW_TABLE, _NLM_F_REQUEST | _NLM_F_ACK | _NLM_F_CREATE | _NLM_F_EXCL, text(1, name))


def chain(table_name: str, hook: str, kind: str = "filter", priority: int = 0) -> Message:
    """Make a base chain, named for its hook, that accepts what no rule decides."""
    where = nested(4, number(1, _HOOKS[hook]), number(2, priority & 0xFFFFFFFF))
    body = text(1, table_name) + text(3, hook) + where + number(5, _ACCEPT) + text(7, kind)
    flags = _NLM_F_REQUEST | _NLM_F_ACK | _NLM_F_CREATE | _NLM_F_EXCL
    return Message(NEW_CHAIN, flags, body, f"the chain {hook} (type {kind})")


def rule(table_name: str, chain_name: str, expressions: Sequence[bytes], comment: str) -> Message:
    """Append a rule; `comment` is shown by nft."""
    told = comment.encode() + b"\0"
    userdata = attribute(7, bytes([0, len(told)]) + told)
    body = text(1, table_name) + text(2, chain_name) + nested(4, *expressions) + userdata
    flags = _NLM_F_REQUEST | _NLM_F_ACK | _NLM_F_CREATE | _NLM_F_APPEND
    return Message(NEW_RULE, flags, body, f"the rule {comment}")


def expression(name: str, *attributes: bytes) -> bytes:
    """Pack one expression of a rule."""
    return nested(1, text(1, name), nested(2, *attributes))


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the kind and the content of each attribute."""
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, at)
        yield kind & _TYPE_MASK, data[at + _ATTRIBUTE.size : at + size]
        at += size + -size % 4


class Socket:
    """A netfilter netlink socket of the current network namespace."""

    def __init__(self, what: str) -> None:
        self._what = what
        try:
            self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
        except OSError as error:
            raise self._refused(error.errno or 0) from error

    def commit(self, messages: Sequence[Message]) -> None:
        """Apply all messages as one transaction; MachineError where the kernel refuses it."""
        begin = _headed(_BATCH_BEGIN, _NLM_F_REQUEST, 0, 0, _NFNL_SUBSYS_NFTABLES)
        end = _headed(_BATCH_END, _NLM_F_REQUEST, 0, 0, _NFNL_SUBSYS_NFTABLES)
        packed = (message.encode(sequence) for sequence, message in enumerate(messages, 1))
        self._sock.send(begin + b"".join(packed) + end)
        answered = 0
        while answered < len(messages):
            for kind, body in self._receive():
                if kind == _NLMSG_ERROR:
                    self._check(body, messages)
                    answered += 1

    def rules(self) -> Iterator[bytes]:
        """Yield the attributes of every rule there is."""
        self._sock.send(Message(GET_RULE, _NLM_F_REQUEST | _NLM_F_DUMP, b"").encode(1))
        while True:
            for kind, body in self._receive():
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    self._check(body)
                    return
                yield body[_FAMILY.size :]

    def _receive(self) -> Iterator[tuple[int, bytes]]:
        data = self._sock.recv(_RECEIVE)
        at = 0
        while at < len(data):
            size, kind, _, _, _ = _HEADER.unpack_from(data, at)
            yield kind, data[at + _HEADER.size : at + size]
            at += size + -size % 4

    def _check(self, body: bytes, messages: Sequence[Message] = ()) -> None:
        """Raise what a struct nlmsgerr says: an error's number, then the header of what it is about."""
        (code,) = struct.unpack_from("=i", body)
        if not code:
            return
        sequence = _HEADER.unpack_from(body, 4)[3]
        about = messages[sequence - 1].what if 0 < sequence <= len(messages) else ""
        raise self._refused(-code, about)

    def _refused(self, code: int, about: str = "") -> MachineError:
        # What a rule is made of, or a chain's type, is a module of its own.
        if about and code == errno.ENOENT:
            return MachineError(f"{self._what}: this kernel lacks what {about} needs", _NO_MODULE)
        missing = code in (errno.EPROTONOSUPPORT, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOPROTOOPT)
        said = (f"the kernel refused it: {os.strerror(code)}", "run `netlab doctor`")
        why, cure = _NO_NFTABLES if missing else _REASONS.get(code, said)
        return MachineError(f"{self._what}: {why}", cure)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()
