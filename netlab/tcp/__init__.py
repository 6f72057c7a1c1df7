"""The crafted TCP endpoint: RFC 9293 as a sans-io state machine, and the driver that gives it a wire.

driver        a blocking connection for scripts; listener: the same as a server; link, bpf: their raw sockets
endpoint      what a user may ask for (open, send, receive, close, abort), and the passing of time
arrival       what happens when a segment arrives, in the RFC's own steps
block         the transmission control block: one connection's state, and every segment that it sends
send, receive the two halves of the stream; congestion, rto: how fast, how patient
states        the eleven states and every legal change between them, in one table
segment, options, datagram, icmp    from bytes and back
sequence      32-bit numbers

Nothing but driver, listener and link reads a clock, draws a number or touches a socket: all else is passed
time and numbers.
"""
