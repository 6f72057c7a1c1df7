"""Lab headers: send a UDP datagram and a TCP segment, draw their headers, and compute their checksums.

Usage: client.py. It draws the packets' own bytes; `netlab trace show RUN --headers N` draws any other.
"""

import random
import struct
import sys

from scapy.all import *

from netlab.report.dissect import dissect_ip
from netlab.report.drawing import draw_header
from netlab.report.packet_fields import headers

WORD = 2  # bytes: the checksum is a sum of words of 16 bits


def draw(packet: IP, *titles: str) -> None:
    """Draw those headers of a packet whose titles begin so."""
    for header in headers(dissect_ip(bytes(packet))):
        if header.title.startswith(titles):
            print(f"\n{draw_header(header)}")


def words_of(data: bytes) -> list[int]:
    """Cut bytes into words; a last one that is half gets a zero behind it."""
    data += bytes(len(data) % WORD)
    return [int.from_bytes(data[at : at + WORD]) for at in range(0, len(data), WORD)]


def compute_checksum(packet: IP) -> bool:
    """Compute the checksum as RFC 1071 has it, aloud; True if it is the one in the packet."""
    inner = packet.payload  # UDP or TCP
    told, inner = inner.chksum, inner.copy()
    inner.chksum = 0  # where the checksum will be, zeros are summed up
    length = len(inner)
    # The pseudo-header is never sent. With it, a packet that went astray does not seem whole.
    pseudo = inet_aton(packet.src) + inet_aton(packet.dst) + struct.pack("!HH", packet.proto, length)
    header, data = bytes(inner)[: length - len(inner.payload)], bytes(inner.payload)
    total = 0
    for name, part in (("pseudo-header", pseudo), ("header", header), ("data", data)):
        words = words_of(part)
        total += sum(words)
        for at in range(0, len(words), 8):
            row = " ".join(f"{word:04x}" for word in words[at : at + 8])
            print(f"   {name if at == 0 else '':13}  {row}")
    print(f"   {'all together':13}  {total:x}")
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
        print(f"   {'carry added':13}  {total:04x}")
    # Zero in UDP means that there is no checksum; all ones are the same number, and are sent instead.
    checksum = (total ^ 0xFFFF) or (0xFFFF if UDP in packet else 0)
    same = "the same" if checksum == told else "NOT THE SAME"
    print(f"   {'inverted':13}  {checksum:04x}: {same} as in the packet, {told:04x}")
    return checksum == told


def make_query() -> IP:
    """Make a DNS query by UDP, and let Scapy fill in lengths and checksums."""
    message = DNS(id=random.randint(0, 65535), rd=1, qd=DNSQR(qname="www.lab.test"))
    return IP(bytes(IP(dst="dns") / UDP(sport=random.randint(49152, 65535), dport=53) / message))


def make_syn() -> IP:
    """Make a SYN with the options that a kernel sends, too; CWR and ECE ask for ECN (RFC 3168)."""
    clock = random.getrandbits(32)
    options = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (clock, 0)), ("NOP", None), ("WScale", 7)]
    ports = {"sport": random.randint(49152, 65535), "dport": 80}
    syn = TCP(**ports, seq=random.getrandbits(32), flags="SEC", window=64240, options=options)
    return IP(bytes(IP(dst="web") / syn))


def send_and_wait(packet: IP) -> IP:
    """Send a packet and return what answers it."""
    answer = sr1(packet, timeout=2, verbose=False)
    if answer is None:
        sys.exit("No answer within 2 s.")
    return answer


query = make_query()
print("1. A DNS query in UDP has left, and was answered:", send_and_wait(query).summary())
draw(query, "IPv4", "UDP")
print("\n2. Its checksum, computed by hand, in words of 16 bits:")
right = compute_checksum(query)

syn = make_syn()
answer = send_and_wait(syn)
reset = TCP(sport=syn.sport, dport=80, seq=answer.ack, flags="R")
send(IP(dst="web") / reset, verbose=False)  # so that the server does not wait for our ACK
print("\n3. A SYN has left, with options, and with two of the flags that ask for ECN:")
draw(syn, "TCP")
print("\n4. Its checksum:")
right &= compute_checksum(syn)
print("\n5. The server's kernel answers with a SYN-ACK. Compare it, field by field:")
draw(answer, "TCP")
print("\n6. Its checksum:")
right &= compute_checksum(answer)
sys.exit(0 if right else 1)
