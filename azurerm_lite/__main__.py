"""`python -m azurerm_lite`: run the `azurerm-lite` command."""

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
