"""``python -m bifrost_simulator``."""

import sys

from bifrost_simulator.cli import main

sys.exit(main())
