"""Change the machine; nothing outside this package does."""
