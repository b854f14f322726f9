"""One of two that claim the scheme rival."""
