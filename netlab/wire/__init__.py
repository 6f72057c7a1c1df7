"""A wire that misbehaves on demand, the same every time: decided here, without a socket or a clock."""
