"""Its announcing module ends the process that imports it."""
