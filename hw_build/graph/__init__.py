"""Graphs of networks, whatever the step: editing them, ranges of their integers, roundings, and nodes put into them."""
