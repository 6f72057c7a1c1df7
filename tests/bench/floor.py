"""The floor under `make bench`: a star of hosts on one bridge in raw netlink, and nothing else.

Self-contained on purpose (standard library, nothing of netlab), so that it stays what it is while
netlab changes. Run as a program, it prints one line of JSON:

    python tests/bench/floor.py HOSTS  ->  {"start": milliseconds, "stop": milliseconds}

As a lab does, the star lives in a child process. `start` is from the fork until the child says that every
link is up (the proof, a datagram answered, comes after the clock), `stop` from the word to end until the
child is gone. What makes it fast: one link message per veth, chosen ifindexes, one queue, the peer born in
its namespace, no acknowledgments (errors are readable right after send), one RTM_GETLINK a port, which makes
the kernel settle the link's state at once, and namespaces held by descriptors alone.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import socket
import struct
import sys
import time
from pathlib import Path

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
NEWLINK, GETLINK, NEWADDR, NEWROUTE = 16, 18, 20, 24
REQUEST, CREATE = 0x1, 0x601  # NLM_F_REQUEST; the same with NLM_F_CREATE and NLM_F_EXCL
UP = 1
BRIDGE = 100  # ifindexes from 100 on: loaded modules put tunnel devices into every new namespace
ETH0 = 100
BATCH = 16  # messages a send, so that neither socket buffer can overflow

_NLMSG = struct.Struct("=IHHII")
_IFINFO = struct.Struct("=BxHiII")


def _attribute(kind: int, data: bytes) -> bytes:
    size = len(data) + 4
    return struct.pack("=HH", size, kind) + data + bytes(-size % 4)


def _message(kind: int, flags: int, body: bytes) -> bytes:
    return _NLMSG.pack(len(body) + 16, kind, flags, 0, 0) + body


def _bridge() -> bytes:
    data = _attribute(5, struct.pack("=I", 0)) + _attribute(23, b"\0")  # no STP, no multicast snooping
    info = _attribute(1, b"bridge") + _attribute(2, data)
    body = _IFINFO.pack(0, 0, BRIDGE, UP, UP) + _attribute(3, b"br0\0") + _attribute(18, info)
    return _message(NEWLINK, CREATE, body)


def _veth(number: int, namespace: int) -> bytes:
    one = struct.pack("=I", 1)
    queues = _attribute(31, one) + _attribute(32, one)
    peer = _IFINFO.pack(0, 0, ETH0, 0, 0) + _attribute(3, b"eth0\0") + queues
    peer += _attribute(28, struct.pack("=I", namespace))
    info = _attribute(1, b"veth") + _attribute(2, _attribute(1, peer))
    near = _IFINFO.pack(0, 0, BRIDGE + number, UP, UP) + _attribute(3, b"p%d\0" % number)
    near += _attribute(10, struct.pack("=I", BRIDGE)) + queues
    return _message(NEWLINK, CREATE, near + _attribute(18, info))


def _address(number: int) -> bytes:
    return (10 << 24 | number).to_bytes(4, "big")


_UP_LO = _message(NEWLINK, REQUEST, _IFINFO.pack(0, 0, 1, UP, UP))
_UP_ETH0 = _message(NEWLINK, REQUEST, _IFINFO.pack(0, 0, ETH0, UP, UP))


def _host(number: int) -> bytes:
    """Loopback and eth0 up, the address, and the connected route: all that one host is told."""
    address = _attribute(2, _address(number)) + _attribute(1, _address(number))
    # IFA_F_NOPREFIXROUTE: the route comes from the next message, as netlab's does.
    address = struct.pack("=BBBBI", 2, 8, 0, 0, ETH0) + address + _attribute(8, struct.pack("=I", 0x200))
    route = struct.pack("=8BI", 2, 8, 0, 0, 254, 2, 253, 1, 0) + _attribute(1, _address(0))
    route += _attribute(4, struct.pack("=I", ETH0)) + _attribute(7, _address(number))
    return _UP_LO + _message(NEWADDR, CREATE, address) + _UP_ETH0 + _message(NEWROUTE, CREATE, route)


def _rtnetlink() -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    sock.setsockopt(270, 10, 1)  # NETLINK_CAP_ACK: an error does not repeat its request
    return sock


def _errors(sock: socket.socket) -> None:
    """Raise the first error that the kernel has already put into the socket."""
    try:
        data = sock.recv(65536, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return
    error = -struct.unpack_from("=i", data, 16)[0]
    raise OSError(error, os.strerror(error))


def _settle(fabric: socket.socket, hosts: int) -> None:
    """Ask for each port: the kernel brings a link's operational state up to date before it answers."""
    for first in range(1, hosts + 1, BATCH):
        ports = range(first, min(first + BATCH, hosts + 1))
        fabric.send(b"".join(_message(GETLINK, REQUEST, _IFINFO.pack(0, 0, BRIDGE + n, 0, 0)) for n in ports))
        for port in ports:
            flags = struct.unpack_from("=IHHIIBxHiI", fabric.recv(8192))[-1]
            if not flags & 0x40:  # IFF_RUNNING
                raise RuntimeError(f"port {port} did not come up")


def build(hosts: int, libc: ctypes.CDLL) -> list[int]:
    """Make the star in new namespaces; returns the descriptors that hold the hosts."""
    user, group = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    fabric = _rtnetlink()
    # IPv6 off: each link's multicast would flood the bridge.
    Path("/proc/sys/net/ipv6/conf/default/addr_gen_mode").write_text("1")
    fabric.send(_bridge())
    held, sockets = [home], []
    for _ in range(hosts):
        if libc.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        held.append(os.open("/proc/self/ns/net", os.O_RDONLY))
        sockets.append(_rtnetlink())
    libc.setns(home, CLONE_NEWNET)
    for first in range(1, hosts + 1, BATCH):
        fabric.send(b"".join(_veth(n, held[n]) for n in range(first, min(first + BATCH, hosts + 1))))
        _errors(fabric)
    for number, sock in enumerate(sockets, 1):
        sock.send(_host(number))
        _errors(sock)
        sock.close()
    _settle(fabric, hosts)
    return held


def answered(held: list[int], libc: ctypes.CDLL) -> None:
    """Return once the last host has answered the first: a datagram to a closed port comes back as error."""
    libc.setns(held[1], CLONE_NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(5)
        probe.connect((socket.inet_ntoa(_address(len(held) - 1)), 9))
        probe.send(b"?")
        try:
            probe.recv(1)
        except ConnectionRefusedError:
            return
    raise RuntimeError("something listens on the discard port")


def live(hosts: int, ready: int, end: int) -> None:
    """Be the child: build, say so, prove it, say so, and go when the parent says."""
    libc = ctypes.CDLL(None, use_errno=True)
    held = build(hosts, libc)
    os.write(ready, b"r")
    answered(held, libc)
    os.write(ready, b"p")
    os.read(end, 1)
    os._exit(0)


def main() -> None:
    """Start and stop one star; print the times."""
    hosts = int(sys.argv[1])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    said, ready = os.pipe()
    end, word = os.pipe()
    gc.disable()
    begin = time.perf_counter()
    child = os.fork()
    if child == 0:
        os.close(said)
        live(hosts, ready, end)
    os.close(ready)
    up = os.read(said, 1)
    start = time.perf_counter() - begin
    if up + os.read(said, 1) != b"rp":
        sys.exit("the floor did not come up")
    begin = time.perf_counter()
    os.write(word, b"e")
    os.waitpid(child, 0)
    stop = time.perf_counter() - begin
    print(json.dumps({"start": start * 1000, "stop": stop * 1000}))


if __name__ == "__main__":
    main()
