"""Written for a contract to come."""
