"""Run in the client's node of a lab: sends bytes to servers, and tells what came back, in lines of JSON.

    {"kind": KIND, "messages": {ADDRESS: [HEX, …]}}  ->  {ADDRESS: [HEX, …] | {"data": HEX, "end": WORD}}

No answer is waited for by the clock: behind what may have none, a caller sends a last message that has one.

datagrams  the messages in UDP to port 53; answers up to the one that bears the id of the last message
stream     the messages with their lengths in TCP to port 53; answers likewise, or up to the connection's end
bytes      the messages as they are, each in a segment, to TCP port 80; all bytes up to the server's FIN
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys

SECONDS = 20.0  # more than any server may take, on the busiest machine


def datagrams(sock: socket.socket, messages: list[bytes]) -> None:
    """Send them."""
    for message in messages:
        sock.send(message)


def datagrams_back(sock: socket.socket, messages: list[bytes]) -> list[str]:
    """Take answers."""
    answers: list[str] = []
    while not answers or bytes.fromhex(answers[-1])[:2] != messages[-1][:2]:
        answers.append(sock.recv(65535).hex())
    return answers


def stream(sock: socket.socket, messages: list[bytes]) -> None:
    """Send them in one piece."""
    with contextlib.suppress(ConnectionError):
        sock.sendall(b"".join(len(message).to_bytes(2, "big") + message for message in messages))


def stream_back(sock: socket.socket, messages: list[bytes]) -> list[str]:
    """Take answers."""
    answers: list[str] = []
    with contextlib.suppress(ConnectionError), sock.makefile("rb") as incoming:
        while not answers or bytes.fromhex(answers[-1])[:2] != messages[-1][:2]:
            head = incoming.read(2)
            if len(head) < 2:
                break
            answers.append(incoming.read(int.from_bytes(head, "big")).hex())
    return answers


def plain(sock: socket.socket, messages: list[bytes]) -> None:
    """Send them, each in a segment."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(ConnectionError):
        for message in messages:
            sock.sendall(message)


def plain_back(sock: socket.socket, _: list[bytes]) -> dict[str, object]:
    """Take everything."""
    taken = b""
    try:
        while data := sock.recv(65536):
            taken += data
    except ConnectionError:
        return {"data": taken.hex(), "end": "reset"}
    except TimeoutError:
        return {"data": taken.hex(), "end": "nothing"}
    return {"data": taken.hex(), "end": "FIN"}


KINDS = {
    "datagrams": (socket.SOCK_DGRAM, 53, datagrams, datagrams_back),
    "stream": (socket.SOCK_STREAM, 53, stream, stream_back),
    "bytes": (socket.SOCK_STREAM, 80, plain, plain_back),
}


def exchange(kind: str, messages: dict[str, list[bytes]]) -> dict[str, object]:
    """Send to all servers before the first answer is read."""
    how, port, send, receive = KINDS[kind]
    with contextlib.ExitStack() as stack:
        sockets = {}
        for address, each in messages.items():
            sock = stack.enter_context(socket.socket(socket.AF_INET, how))
            sock.settimeout(SECONDS)
            sock.connect((address, port))
            sockets[address] = sock
            send(sock, each)
        return {address: receive(sock, messages[address]) for address, sock in sockets.items()}


def main() -> None:
    """Serve the lines of standard input to its end."""
    for line in sys.stdin:
        told = json.loads(line)
        wanted = {address: [bytes.fromhex(one) for one in each] for address, each in told["messages"].items()}
        print(json.dumps(exchange(told["kind"], wanted)), flush=True)


if __name__ == "__main__":
    main()
