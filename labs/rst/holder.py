"""Lab rst, another cure: a socket of the kernel's that holds our port.

Usage: holder.py bound|listening|deaf. Which of the three keeps the kernel still?
"""

import ctypes
import random
import socket
import struct
import sys
import time

from exchange import PORTS, fetch  # beside this file
from scapy.all import *

WAIT = 3.0  # seconds for any answer
SO_ATTACH_FILTER = 26  # Linux's number for it; Python has no name
DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)  # classic BPF, one instruction: of any packet keep 0 bytes
HOW = ("bound", "listening", "deaf")


def hold(port: int, how: str) -> socket.socket:
    """Return a socket of the kernel's TCP that has the port."""
    holder = socket.socket()
    holder.bind(("", port))
    if how == "deaf":  # a filter of its own drops what comes for it; ours, of Scapy's, still hears all
        program = ctypes.create_string_buffer(DROP_ALL)
        pointer = struct.pack("HP", 1, ctypes.addressof(program))
        holder.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)
    if how != "bound":
        holder.listen()
    return holder


if sys.argv[1:] not in [[how] for how in HOW]:
    sys.exit(f"Usage: holder.py {'|'.join(HOW)}")
ip, port = IP(dst="web"), random.randint(*PORTS)
holder = hold(port, sys.argv[1])
sock = conf.L3socket(iface=ip.route()[0])


def receive() -> IP:
    """Wait for web's next segment."""
    deadline = time.monotonic() + WAIT
    while sock.select([sock], max(0, deadline - time.monotonic())):
        packet = sock.recv()  # None for a packet that this socket itself has sent
        if packet and TCP in packet and (packet[IP].src, packet[TCP].dport) == (ip.dst, port):
            return packet[IP]
    sys.exit(f"Nothing from web within {WAIT:g} s.")


print(f"A socket of the kernel's holds port {port}; it is {sys.argv[1]}.")
fetch(ip, port, sock.send, receive)
