"""`bench` is run from the repository and never installed, so its tests look for it there."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))
