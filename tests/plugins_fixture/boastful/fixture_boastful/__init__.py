"""Declares more than its store has, and one thing less."""
