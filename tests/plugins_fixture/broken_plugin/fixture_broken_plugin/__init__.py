"""Its announcing module can't be imported."""
