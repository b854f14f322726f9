"""Databases of stock MLflow, 1.x to 3.x, read where they are and never written to."""
