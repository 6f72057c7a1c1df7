"""Decide: from a topology to a plan, without touching the machine."""
