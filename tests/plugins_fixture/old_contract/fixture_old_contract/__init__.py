"""Written for the contract before the first."""
