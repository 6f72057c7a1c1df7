"""Lab dns: ask the lab's name server for an address, with a UDP packet made by hand.

Usage: client.py [NAME], by default www.lab.test. The node's /etc/hosts says where the name server is.
"""

import random
import sys

from scapy.all import *

DYNAMIC_PORTS = (49152, 65535)  # RFC 6335, section 6: free for any client to use for a while
NO_ERROR = 0


def make_query(name: str) -> Packet:
    """Build the query from the inside out, as the headers will lie in the packet."""
    # netlab seeds `random` before a script runs, so that a run can be repeated. Run elsewhere, the script
    # draws other numbers each time, as a real client must: who cannot guess them cannot forge an answer.
    question = DNSQR(qname=name, qtype="A")
    print(f"1. The question: which IPv4 address (an A record) has {name}?")
    message = DNS(id=random.randint(0, 65535), rd=1, qd=question)
    number = f"{message.id} (0x{message.id:04x} in the trace)"
    print(f"2. In a DNS message, id {number}; rd=1 asks the server to ask others, if it must.")
    datagram = UDP(sport=random.randint(*DYNAMIC_PORTS), dport=53)
    print(f"3. In a UDP datagram, from port {datagram.sport}, drawn from {DYNAMIC_PORTS}, to DNS's own, 53.")
    packet = IP(dst="dns") / datagram / message
    print(f"4. In an IP packet, from {packet.src} to the node dns, {packet[IP].dst}. This leaves:\n")
    packet.show2()  # as show(), with lengths and checksums filled in
    return packet


def check(query: Packet, reply: Packet) -> None:
    """End the script, with the reason, unless the reply answers the query."""
    if ICMP in reply:
        error = reply.sprintf("%ICMP.type%, %ICMP.code%")
        sys.exit(f"No answer, but ICMP: {error}. Is there a name server at {query[IP].dst}?")
    if reply[DNS].id != query[DNS].id:
        sys.exit(f"The answer has id 0x{reply[DNS].id:04x}: it is not the answer to our question.")
    if reply[DNS].rcode != NO_ERROR:
        sys.exit(f"The server answers: {reply.sprintf('%DNS.rcode%')}")


name = sys.argv[1] if len(sys.argv) > 1 else "www.lab.test"
query = make_query(name)
print("5. sr1 sends it and waits, 2 s at most, for the one packet that answers it. This comes back:\n")
reply = sr1(query, timeout=2, verbose=False)
if reply is None:
    sys.exit("No answer within 2 s. UDP promises none: to ask again would be up to us.")
reply.show()
print(f"6. In one line: {reply.summary()}")
check(query, reply)
addresses = [record for record in reply[DNS].an if record.type == 1]
if not addresses:
    sys.exit(f"The name exists, but has no A record: {name}")
print("7. The answer: ports and addresses are ours, swapped; the id is the same; the address is its data.\n")
for record in addresses:
    print(f"{record.rrname.decode()} A {record.rdata}")
