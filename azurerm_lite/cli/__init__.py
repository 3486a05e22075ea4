"""The commands: `azurerm-lite COMMAND`, or `python -m azurerm_lite COMMAND` (extra `cli`)."""
