"""The namespace backend: a sandbox whose PID 1, the supervisor, holds each node as descriptors.

Outside: `session`. Inside: `supervisor` with `conversation`, `scripts`, `building`, `recorder` and `visits`;
`nodes`, `daemons`, `interpreter`. Between them: `channel`.
"""
