"""Webhooks: what happens in the model registry is told to addresses that asked for it."""
