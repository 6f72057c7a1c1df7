"""The namespace backend: a sandbox whose PID 1, the supervisor, holds each node as descriptors."""
