"""Record and tell: captures, traces and their comparison."""
