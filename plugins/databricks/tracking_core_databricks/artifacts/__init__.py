"""Files of a workspace: of runs and models by signed URLs, others by its file system's API."""
