"""Runs: their headers, what is logged to them, their history."""
