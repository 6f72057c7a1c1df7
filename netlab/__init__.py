"""netlab: a sealed lab for learning and testing the transport layer."""
