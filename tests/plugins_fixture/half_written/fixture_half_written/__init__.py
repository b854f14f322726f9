"""Its store lacks methods."""
