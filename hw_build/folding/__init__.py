"""Folding: how many elements and products a cycle each node works on, and the shipped configurations (TOML)."""
