"""A store, a repository and tags; nothing is wrong with it."""
