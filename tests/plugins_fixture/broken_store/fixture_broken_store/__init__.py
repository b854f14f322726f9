"""It announces itself well, but its store can't be imported."""
