"""The file backend: experiments, runs and models in a directory, in MLflow's layout."""
