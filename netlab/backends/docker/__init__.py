"""The container backend: each node a container, wired by one more, the fabric, whose PID 1 keeps the lab.

Outside, on any machine that reaches an engine: `session` and `starting`, with `engine`, `containers`,
`guard`, `luggage`, `voice` and `conversation`. Inside the fabric: `fabric`, the lab's PID 1, and `portal`,
through which it is spoken to. Between them: `stream`.
"""
