"""The load is `bench`'s world, and `bench` is run from the repository and never installed."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
