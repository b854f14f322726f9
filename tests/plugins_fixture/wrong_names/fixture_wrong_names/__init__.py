"""Four specs whose implementation isn't what they say."""
