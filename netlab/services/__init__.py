"""Answer protocols: what the nodes of a lab serve."""
