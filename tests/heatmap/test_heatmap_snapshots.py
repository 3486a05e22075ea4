"""The heat maps of a dozen scale sets, in files.

`python tests/heatmap/test_heatmap_snapshots.py` writes them. Check the changes before you commit
them: read the texts, and open the SVGs in a browser.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.clock import Clock
from support.heatmap import (
    STATES,
    Terminal,
    drawn_instances,
    instance,
    one_element_per_line,
    spread,
    without_colours,
)

import azurerm_lite as az
from azurerm_lite import _clock
from azurerm_lite.heatmap import Heatmap
from azurerm_lite.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "snapshots" / "heatmap"
PICTURE = ROOT / "docs" / "pictures" / "heatmap.svg"


def half_way(
    number: int, update_domain: int | None, fault_domain: int | None, **values: Any
) -> Any:
    """Return an instance of a rollout with two finished domains and the third in progress."""
    done, now = update_domain in (0, 1), update_domain == 2
    state = "Updating" if now else "Succeeded"
    return instance(
        number,
        update_domain,
        fault_domain,
        latestModelApplied=done,
        provisioningState=state,
        **values,
    )


SETS = {
    "five-by-five": spread(25),
    "half-way": [half_way(number, number % 5, number // 5 % 5) for number in range(25)],
    "every-state": [
        instance(
            number, number % 2, number // 2 % 4, power=power, latestModelApplied=number % 3 > 0
        )
        for number, power in enumerate([*STATES, *STATES])
    ],
    "every-mark": [
        instance(1, provisioningState="Updating"),
        instance(2, 0, 1, provisioningState="Failed"),
        instance(3, 1, 0, health="unhealthy"),
        instance(4, 1, 1, provisioningState="Failed", health="unhealthy", latestModelApplied=False),
    ],
    "zonal": [half_way(number, number % 5, None, zone=str(number % 3 + 1)) for number in range(18)],
    "one-fault-domain": [instance(number, number % 5, 0) for number in range(40)],
    "one-instance": [instance(0)],
    "no-instance": [],
    "missing-domains": [
        instance(1, None, 2),
        instance(2, 3, None),
        instance(3, None, None),
        instance(4, 3, 2),
    ],
    "flexible": [
        instance(
            f"web_{number * 2654435761 % 2**32:08x}",
            None,
            None,
            zone=str(number % 3 + 1),
            instanceView=None,
        )
        for number in range(9)
    ],
    "placement-groups": [
        half_way(number, number % 5, number // 5 % 5, group=f"group-{number % 2}")
        for number in range(60)
    ],
    "to-be-escaped": [
        instance('<b a="1">&\'</title>', 0, None, zone="<1>"),
        instance("a\x1b[2Jb", 1, None, zone="&2"),
        instance("größe", 1, None, zone="&2", latestModelApplied=False),
    ],
    "a-thousand": [half_way(number, number % 5, number // 5 % 5) for number in range(1000)],
}


def as_text(found: list[Any]) -> str:
    """Return the text on a terminal and in a file, 80 columns wide, without colours."""
    texts = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
            patch.delenv(name, raising=False)
        for tty in (True, False):
            patch.setattr(sys, "stdout", Terminal(tty=tty))
            texts.append(without_colours(str(az.heatmap(found))) + "\n")
    return "\n".join(texts)


def as_svg(heat_map: Heatmap) -> str:
    """Return the SVG of a heat map, formatted for the file."""
    return one_element_per_line(heat_map.to_svg())


def of_the_docs() -> str:
    """Return the SVG of the docs: the sandbox's set in the middle of a rollout."""
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch, Sandbox(upgrade_seconds=60, clock=clock) as sandbox:
        patch.setattr(_clock, "monotonic", clock)
        patch.setattr(_clock, "sleep", clock.sleep)
        where = sandbox.where()
        az.wait(where[0], az.stopdealloc_vmss(*where, instance_ids=["9"]))
        sandbox.break_upgrade("web", "6", "unhealthy")
        az.wait(
            where[0],
            az.put_vmss(*where, az.set_image(az.get_vmss(*where), version="22.04.202411010")),
        )
        az.wait(where[0], az.manual_upgrade(*where, ["6"]))
        events = az.rollout(*where, max_unhealthy=1)
        event = next(each for each in events if each.kind == "progress" and each.number == 3)
        return as_svg(az.heatmap(event.instances))


def files() -> Iterator[tuple[Path, str]]:
    """Return each file with its expected content; SVGs only of sets that are small enough."""
    for name, found in SETS.items():
        yield FOLDER / f"{name}.txt", as_text(found)
        if len(found) <= 60:
            yield FOLDER / f"{name}.svg", as_svg(az.heatmap(found))
    yield PICTURE, of_the_docs()


@pytest.mark.parametrize("name", SETS)
def test_the_heat_map_is_that_of_the_files(name: str) -> None:
    """Text and SVG of each set are exactly those of the files."""
    assert as_text(SETS[name]) == (FOLDER / f"{name}.txt").read_text("utf-8")
    svg = FOLDER / f"{name}.svg"
    assert len(SETS[name]) > 60 or as_svg(az.heatmap(SETS[name])) == svg.read_text("utf-8")


@pytest.mark.parametrize("name", SETS)
def test_each_instance_of_each_set_is_drawn_once(name: str) -> None:
    """The SVG can be parsed and has one element with its own id per instance."""
    groups = drawn_instances(az.heatmap(SETS[name]))
    assert len({group.get("data-instance") for group in groups}) == len(groups) == len(SETS[name])


def test_every_snapshot_belongs_to_a_set() -> None:
    """Delete files without a set."""
    assert {path.stem for path in FOLDER.iterdir()} == set(SETS)


def test_the_heat_map_of_the_docs_is_what_the_library_draws() -> None:
    """The SVG of the docs is up to date."""
    assert of_the_docs() == PICTURE.read_text("utf-8")


if __name__ == "__main__":
    for file, text in files():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8", newline="\n")
