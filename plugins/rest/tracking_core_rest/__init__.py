"""The REST backend: a server that speaks MLflow's REST API."""
