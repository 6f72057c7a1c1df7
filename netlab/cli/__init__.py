"""The command line: translates arguments, prints and exits; nothing else in netlab does."""
