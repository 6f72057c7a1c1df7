"""Make nodes: each backend hands out network namespaces and runs commands in them."""
