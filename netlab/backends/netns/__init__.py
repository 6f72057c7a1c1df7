"""The namespace backend: a sandbox whose PID 1, the supervisor, holds each node as descriptors.

Outside: `session`. Inside: `supervisor`, `nodes`, `daemons`, `interpreter`. Between them: `channel`.
"""
