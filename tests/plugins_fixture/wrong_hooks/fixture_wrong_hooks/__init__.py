"""Its hooks return and take what they mustn't, and one isn't known."""
