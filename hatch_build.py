"""Derive the project's addresses from one setting: `repository` in `[tool.azurerm-lite]`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELATIVE_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?!https?:|#)(?P<target>[^)]+)\)")


class AddressHook(MetadataHookInterface):
    """Fills in the URLs of the project, and a README whose links work on PyPI."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add `urls` and `readme` to the metadata."""
        repository = self.config["repository"]
        metadata["urls"] = {
            "Source": repository,
            "Documentation": f"{repository}/blob/main/docs/index.md",
            "Changelog": f"{repository}/blob/main/CHANGELOG.md",
            "Issues": f"{repository}/issues",
        }
        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": with_absolute_links(readme, repository),
        }


def with_absolute_links(text: str, repository: str) -> str:
    """Return Markdown whose relative links and pictures lead to the repository's main branch."""

    def absolute(link: re.Match[str]) -> str:
        folder = "raw" if link["image"] else "blob"
        target = f"{repository}/{folder}/main/{link['target']}"
        return f"{link['image']}[{link['text']}]({target})"

    return RELATIVE_LINK.sub(absolute, text)
