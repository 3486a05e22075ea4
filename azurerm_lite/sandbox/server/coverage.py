"""Generates the tables of operations and api-versions in docs/sandbox.md from the routes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..model.api_versions import COMPUTE, GALLERIES
from .routes import ROUTES, Route

# Azure's operations on scale sets, their instances and images without a route. The sandbox
# returns 404 with the code InvalidResourceType.
_SET = "/virtualMachineScaleSets/{vmss}"
_VM = _SET + "/virtualMachines/{vm}"
NOT_IMPLEMENTED = (
    ("POST", _SET + "/forceRecoveryServiceFabricPlatformUpdateDomainWalk"),
    ("POST", _SET + "/migrateVMAvailabilityZone"),
    ("PUT", _VM + "/extensions/{extension}"),
    ("PATCH", _VM + "/extensions/{extension}"),
    ("DELETE", _VM + "/extensions/{extension}"),
    ("PATCH", _VM + "/runCommands/{command}"),
    ("GET", _VM + "/diagnosticRunCommands"),
    ("GET", _VM + "/diagnosticRunCommands/{command}"),
    ("PUT", _VM + "/diagnosticRunCommands/{command}"),
    ("PATCH", _VM + "/diagnosticRunCommands/{command}"),
    ("DELETE", _VM + "/diagnosticRunCommands/{command}"),
    ("POST", _VM + "/attachDetachDataDisks"),
    ("POST", _VM + "/retrieveBootDiagnosticsData"),
    ("PATCH", "/images/{image}"),
    ("PUT", "/galleries/{gallery}"),
    ("PATCH", "/galleries/{gallery}"),
    ("DELETE", "/galleries/{gallery}"),
    ("PUT", "/galleries/{gallery}/images/{image}"),
    ("PATCH", "/galleries/{gallery}/images/{image}"),
    ("DELETE", "/galleries/{gallery}/images/{image}"),
    ("PUT", "/galleries/{gallery}/images/{image}/versions/{version}"),
    ("PATCH", "/galleries/{gallery}/images/{image}/versions/{version}"),
    ("DELETE", "/galleries/{gallery}/images/{image}/versions/{version}"),
)
_CHOICE = re.compile(r"<any\(([^)]*)\):\w+>")
_PLACEHOLDER = re.compile(r"<(?:\w+:)?(\w+)>")
_PREFIXES = (
    "/subscriptions/{sub}/resourcegroups/{rg}/providers/microsoft.compute",
    "/subscriptions/{sub}/providers/microsoft.compute",
    "/subscriptions/{sub}/resourcegroups/{rg}",
    "/subscriptions/{sub}",
)


def operation_of(route: Route) -> str:
    """Return Azure's name of an operation, from the first line of its handler's docstring."""
    summary = (route.handler.__doc__ or "").partition("\n")[0]
    return summary.partition(":")[0].rstrip(".")


def coverage_table() -> str:
    """Return the table of operations as Markdown."""
    lines = ["| request | Azure's operation | support |", "| --- | --- | --- |"]
    for route in ROUTES:
        state = "accepted but ignored" if route.is_ignored else "implemented"
        lines.append(f"| `{route.method} {_short(route.path)}` | {operation_of(route)} | {state} |")
    for method, path in NOT_IMPLEMENTED:
        lines.append(f"| `{method} {path.lower()}` | | not implemented |")
    # The same path below a subscription and below a resource group is one row.
    return "\n".join(dict.fromkeys(lines))


def version_table() -> str:
    """Return the table of api-versions as Markdown."""
    lines = ["| api-version | what changed |", "| --- | --- |"]
    lines += [f"| {version} | {text} |" for version, text in COMPUTE.items() if text]
    lines += [f"| {version} (galleries) | {text} |" for version, text in GALLERIES.items() if text]
    return "\n".join(lines)


def readable_paths(path: str) -> Iterator[str]:
    """Yield the paths of a route, one per alternative, with `{name}` as the placeholder."""
    choice = _CHOICE.search(path)
    if choice is None:
        yield _PLACEHOLDER.sub(r"{\1}", path)
        return
    for alternative in choice[1].split(","):
        yield from readable_paths(path.replace(choice[0], alternative.strip(), 1))


def _short(path: str) -> str:
    """Return a path without its common prefix, with alternatives separated by commas."""
    path = _CHOICE.sub(lambda match: match[1].replace(", ", ","), path)
    path = _PLACEHOLDER.sub(r"{\1}", path)
    for prefix in _PREFIXES:
        if path.startswith(prefix + "/"):
            return path.removeprefix(prefix)
    return path


if __name__ == "__main__":
    print(coverage_table())
    print()
    print(version_table())
