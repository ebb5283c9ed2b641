"""`python -m lapis` is the command `lapis`."""

import sys

from lapis.cli import main

# Spawned workers import this file again under another name.
if __name__ == "__main__":
    sys.exit(main())
