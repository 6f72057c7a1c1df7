"""Understand the YAML that a user wrote."""
