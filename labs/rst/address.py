"""Lab rst, another cure: speak from an address that our node's kernel does not own.

Usage: address.py [ADDRESS], one of the lab's network that nobody has; by default 10.0.0.99.

The SYN-ACK then is for somebody else, so the kernel gives it to no TCP at all. But who shall tell the server
which MAC that address has, if not the kernel, which answers ARP for its own alone? This script.
"""

import random
import sys
import time

from exchange import PORTS, fetch  # beside this file
from scapy.all import *

WAIT = 3.0  # seconds for any answer

mine = sys.argv[1] if len(sys.argv) > 1 else "10.0.0.99"
web = IP(dst="web")
network = web.route()[0]
port = random.randint(*PORTS)
our_mac, web_mac = get_if_hwaddr(network), getmacbyip(web.dst)
sock = conf.L2socket(iface=network)  # whole frames, ARP's among them


def send(packet: IP) -> None:
    """Send a packet to web, in a frame of ours."""
    sock.send(Ether(src=our_mac, dst=web_mac) / packet)


def receive() -> IP:
    """Wait for web's next segment; answer ARP requests for our address meanwhile."""
    deadline = time.monotonic() + WAIT
    while sock.select([sock], max(0, deadline - time.monotonic())):
        frame = sock.recv()
        if frame and ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst == mine:
            asker = frame[ARP]
            print(f"Who has {mine}, asks {asker.psrc}. We do, at {our_mac}.")
            reply = ARP(op=2, hwsrc=our_mac, psrc=mine, hwdst=asker.hwsrc, pdst=asker.psrc)
            sock.send(Ether(src=our_mac, dst=asker.hwsrc) / reply)
        elif frame and TCP in frame and (frame[IP].dst, frame[TCP].dport) == (mine, port):
            return frame[IP]
    sys.exit(f"Nothing from web within {WAIT:g} s. Does trace.txt show that it has asked for {mine}?")


fetch(IP(src=mine, dst=web.dst), port, send, receive)
