"""Lab handshake once more: what client.py does step by step, in five lines, by netlab's TCP endpoint."""

import hashlib
from http.client import HTTPConnection

from netlab.tcp.driver import connect

web = HTTPConnection("www.lab.test")
web.sock = connect("web", 80)  # SYN, SYN-ACK, ACK
web.request("GET", "/")
page = web.getresponse().read()  # each segment in its place, and acknowledged
web.close()  # FIN, ACK, FIN, ACK

print(f"{len(page)} bytes, SHA-256 {hashlib.sha256(page).hexdigest()}")
