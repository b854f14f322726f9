"""Measurements against the peers, each side in an environment and a process of its own."""
