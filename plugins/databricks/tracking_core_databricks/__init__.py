"""The Databricks backend: a workspace's experiments and runs, its registry, Unity Catalog's."""
