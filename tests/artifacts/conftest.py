"""Let the flawed repositories be imported by one name, in processes that the kit starts too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
