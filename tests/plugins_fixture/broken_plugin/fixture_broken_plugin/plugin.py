"""Leaves a trace of its import where FIXTURE_TRACE says, and fails."""

import os
from pathlib import Path

if trace := os.environ.get("FIXTURE_TRACE"):
    Path(trace).write_text("imported")
raise RuntimeError("the licence server\nis asleep")
