"""A storage plugin for tracking_core, to copy."""
