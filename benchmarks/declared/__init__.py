"""One file for each benchmark; its `BENCHMARK` says who does what, and what we promise."""
