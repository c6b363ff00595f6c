"""``python -m tinygrad_lite`` is ``tinygrad-lite``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
