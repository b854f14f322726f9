"""Let the wrong stores be importable by one name, in the processes that the kit starts too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
