"""Lab ports: the node web's second server, on port 8080. It has one answer, whatever it is asked."""

import socket

BODY = b"Hello from the server of port 8080.\n"
ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)

listener = socket.create_server(("", 8080))
while True:
    client, _ = listener.accept()
    with client:
        if client.recv(65536):
            client.sendall(ANSWER)
