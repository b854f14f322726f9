"""Its store needs a library that isn't there."""
