"""The model registry of Unity Catalog."""
