"""The folder of recorded requests and responses."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(
    os.environ.get("AZURERM_LITE_RECORDINGS")
    or Path(__file__).resolve().parents[3] / "shared" / "recordings"
)
