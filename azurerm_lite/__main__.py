"""`python -m azurerm_lite`: the commands, as `azurerm-lite` runs them."""

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
