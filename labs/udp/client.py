"""Lab udp: datagrams that are damaged, lost, overtaken and doubled, and what UDP does: next to nothing.

Usage: client.py. What the cable does, and to which datagrams, stands in udp.yaml.
"""

import random
import socket
import sys

from scapy.all import *

WAIT = 1.0  # seconds for a reply
TRIES = 2


class Client:
    """A port of ours: queries leave from it by Scapy, as we make them, and replies come to a usual socket."""

    def __init__(self) -> None:
        # netlab seeds `random` before a script runs; run elsewhere, this draws other numbers each time.
        self.port = random.randint(49152, 65535)
        self.out = conf.L3socket(iface=IP(dst="dns").route()[0])
        # The socket holds our port. Without it, our kernel would answer each reply: nobody is at this port.
        self.replies = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.replies.bind(("", self.port))
        self.replies.settimeout(WAIT)

    def make_query(self, name: str = "www.lab.test") -> IP:
        """Make a query for an address, with an id of its own; lengths and checksums are filled in."""
        message = DNS(id=random.randint(0, 65535), rd=1, qd=DNSQR(qname=name, qtype="A"))
        return IP(bytes(IP(dst="dns") / UDP(sport=self.port, dport=53) / message))

    def send(self, *queries: IP) -> None:
        """Send queries, one right behind the other."""
        for query in queries:
            self.out.send(query)
        for query in queries:
            name, checksum = query[DNSQR].qname.decode(), query[UDP].chksum
            print(f"   ───> id 0x{query[DNS].id:04x}  {name} A?  checksum 0x{checksum:04x}")

    def hear(self, expected: int = 1) -> list[int]:
        """Return the ids of the replies that come: as many as expected, or fewer, if one is late."""
        ids: list[int] = []
        while len(ids) < expected:
            try:
                reply = DNS(self.replies.recv(512))
            except TimeoutError:
                print(f"   {WAIT:g} s of silence")
                break
            addresses = " ".join(record.rdata for record in reply.an if record.type == 1)
            print(f"   <─── id 0x{reply.id:04x}  {reply[DNSQR].qname.decode()} A {addresses}")
            ids.append(reply.id)
        return ids

    def ask(self) -> None:
        """Ask until there is an answer. Each try is ours: there is nothing below us that would make one."""
        query = self.make_query()
        for _ in range(TRIES):
            self.send(query)
            if self.hear():
                return
        sys.exit(f"No answer to {TRIES} tries.")


def check_sums(client: Client) -> None:
    """Send a query with a checksum that is right, none, and one that is wrong."""
    print("1. The checksum is right:")
    client.send(client.make_query())
    client.hear()
    print("2. It is zero. Over IPv4, that says: there is none, take it as it is.")
    query = client.make_query()
    query[UDP].chksum = 0
    client.send(query)
    client.hear()
    print("3. One bit of it is wrong. The kernel of dns drops the datagram, and tells nobody:")
    query = client.make_query()
    query[UDP].chksum ^= 1
    client.send(query)
    client.hear()
    print("4. There is none, and under way a bit of the data falls over. Nobody can notice that on arrival:")
    query = client.make_query()
    query[UDP].chksum = 0
    client.send(query)
    if client.hear() != [query[DNS].id]:
        print("   This is no answer to what we have asked. A program that looks at the id drops it.")


def lose(client: Client) -> None:
    """Lose a query, then a reply."""
    print(f"5. A datagram is lost. No one will send it again, unless we do, after {WAIT:g} s:")
    client.ask()
    print("6. Another one. Once it was the query, once the reply: which one now? From here, both look alike.")
    client.ask()


def confuse(client: Client) -> None:
    """Ask two questions at once, and be answered in another order."""
    print(
        "7. Two questions, the reply to the first of which is overtaken. Only the ids tell what answers what:"
    )
    client.send(client.make_query("www.lab.test"), client.make_query("dns.lab.test"))
    client.hear(2)


def double(client: Client) -> None:
    """Ask once, and be answered twice."""
    print("8. One question, which arrives twice. UDP numbers nothing, so dns answers twice:")
    client.send(client.make_query())
    client.hear(2)


client = Client()
check_sums(client)
lose(client)
confuse(client)
double(client)
