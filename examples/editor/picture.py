"""The heat map as data: which tile stands where, what it says, and what picking it picks. No terminal here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import azurerm_lite as az

UNKNOWN = "unknown"
UNDER_WAY = ("starting", "stopping", "deallocating")
_ENDED = ("succeeded", "failed", "canceled", UNKNOWN)


class Look(NamedTuple):
    """How a power state looks; the signs and colours of `azurerm_lite.heatmap`."""

    solid: str
    outlined: str
    fill: str
    ink: str  # for text on a dark ground


POWER = {
    "running": Look("●", "○", "#1a7f37", "#3fb950"),
    "starting": Look("▲", "△", "#0969da", "#58a6ff"),
    "stopping": Look("▼", "▽", "#bc4c00", "#f0883e"),
    "stopped": Look("■", "□", "#cf222e", "#ff7b72"),
    "deallocating": Look("◆", "◇", "#8250df", "#d2a8ff"),
    "deallocated": Look("▬", "▭", "#6e7781", "#9aa4af"),
    UNKNOWN: Look("★", "☆", "#bf3989", "#ff7eb6"),
}
FLAGS = {"updating": "↻", "failed": "✗", "unhealthy": "✚"}


class Spot(NamedTuple):
    """An instance as the map shows it."""

    id: str
    name: str
    group: str
    update_domain: str
    fault_domain: str
    zone: str
    power: str
    latest: bool
    flags: tuple[str, ...]
    facts: tuple[str, ...]

    @property
    def label(self) -> str:
        """Its sign, id and marks."""
        look = POWER[self.power]
        return (
            (look.solid if self.latest else look.outlined)
            + self.id
            + "".join(FLAGS[flag] for flag in self.flags)
        )

    @property
    def is_busy(self) -> bool:
        """Whether something is under way on it."""
        return "updating" in self.flags or self.power in UNDER_WAY


class Piece(NamedTuple):
    """A tile or a heading: where it stands, what it says, and the instances that picking it picks."""

    x: int
    y: int
    width: int
    height: int
    text: str
    name: str
    ids: tuple[str, ...]
    spot: Spot | None = None


class _Block(NamedTuple):
    """A table of the map: a placement group, or all of the set."""

    title: str
    spots: Sequence[Spot]
    zonal: bool

    @property
    def rows(self) -> dict[str, tuple[str, ...]]:
        return _groups(self.spots, "update_domain")

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        return _groups(self.spots, "zone" if self.zonal else "fault_domain")

    def cells(self) -> dict[tuple[str, str], list[Spot]]:
        found: dict[tuple[str, str], list[Spot]] = {}
        for spot in self.spots:
            found.setdefault(
                (spot.update_domain, spot.zone if self.zonal else spot.fault_domain), []
            ).append(spot)
        return found


class _Measures(NamedTuple):
    """How wide and high things are: the row headings, a tile, how many a cell has side by side, the space between."""

    label: int
    tile: int
    abreast: int
    apart: int
    height: int
    gap: int

    @property
    def column(self) -> int:
        return self.abreast * (self.tile + 1) + self.apart


def spots(instances: Sequence[Any]) -> list[Spot]:
    """The instances as the map shows them, in numeric order."""
    domain_of = {
        family: {each: str(domain) for domain, ids in grouped(instances).items() for each in ids}
        for family, grouped in (
            ("ud", az.by_update_domain),
            ("fd", az.by_fault_domain),
            ("zone", az.by_zone),
        )
    }
    found = {each["instanceId"]: each for each in instances}
    return [
        _spot(found[each], *(domain_of[family][each] for family in ("ud", "fd", "zone")))
        for batch in az.in_batches(found.values(), 1)
        for each in batch
    ]


def _spot(instance: Mapping[str, Any], update_domain: str, fault_domain: str, zone: str) -> Spot:
    properties = instance["properties"]
    view = properties.get("instanceView") or {}
    power, health = _status(view.get("statuses") or (), "powerstate/"), _health(view)
    state = str(properties.get("provisioningState") or UNKNOWN).lower()
    holds = {
        "updating": state not in _ENDED,
        "failed": state in ("failed", "canceled"),
        "unhealthy": health not in (None, "healthy") and power in ("running", None),
    }
    latest = bool(properties.get("latestModelApplied"))
    places = [
        f"UD {update_domain}",
        f"FD {fault_domain}",
        *([f"zone {zone}"] if zone != UNKNOWN else []),
    ]
    is_protected = any((properties.get("protectionPolicy") or {}).values())
    facts = (
        f"{power or 'power unknown'} · {state} · {health or 'no health'}",
        f"{version(instance)} ({'latest' if latest else 'older'} model)",
        " · ".join([*places, *(["protected"] if is_protected else [])]),
    )
    return Spot(
        _clean(instance["instanceId"]), _clean(str(instance.get("name") or "")),
        str(view.get("placementGroupId") or ""), update_domain, fault_domain, zone,
        power if power in POWER else UNKNOWN, latest, tuple(flag for flag in FLAGS if holds[flag]),
        tuple(map(_clean, facts)),
    )  # fmt: skip


def _status(statuses: Iterable[Mapping[str, Any]], family: str) -> str | None:
    codes = (str(each.get("code", "")).lower() for each in statuses)
    return next((code[len(family) :] for code in codes if code.startswith(family)), None)


def _health(view: Mapping[str, Any]) -> str | None:
    code = str(((view.get("vmHealth") or {}).get("status") or {}).get("code") or "")
    return code.rpartition("/")[2].lower() or None


def _clean(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)


def image(model: Any) -> str:
    """The image of a model or an instance on one line; nothing of a URL behind its question mark, for that may sign."""
    try:
        found = az.get_image(model)
    except ValueError:
        return "no image"
    if found["kind"] == "platform":
        parts = [
            found["publisher"],
            found["offer"],
            found["sku"],
            found.get("exact_version") or found["version"],
        ]
        return ":".join(parts)
    return str(found.get("image_id") or found["image_uri"].partition("?")[0])


def version(model: Any) -> str:
    """The end of that line: the version, or the name of a custom image."""
    return image(model).rpartition(":")[2].rpartition("/")[2]


def summary(found: Sequence[Spot]) -> str:
    """The set in a line: how many instances, how many of them on the latest model."""
    return f"{counted(len(found))} · {sum(spot.latest for spot in found)} on the latest model"


def counted(number: int) -> str:
    """A number of instances."""
    return f"{number} instance{'' if number == 1 else 's'}"


def listed(ids: Sequence[str], most: int = 60) -> str:
    """Instance ids for people."""
    return ", ".join(ids[:most]) + (f" and {len(ids) - most} more" if len(ids) > most else "")


def picture(found: Sequence[Spot], width: int, height: int) -> list[Piece]:
    """The map of a set, laid out for a width (columns may go beyond it where they must) and a height."""
    if not found:
        return []
    blocks = _blocks(found)
    measures = _measured(blocks, width, height)
    pieces: list[Piece] = []
    top = _zones(pieces, found) if not blocks[0].zonal else 0
    for block in blocks:
        top = _draw(pieces, block, measures, top)
    return pieces


def _blocks(found: Sequence[Spot]) -> list[_Block]:
    zonal = all(spot.fault_domain == UNKNOWN for spot in found) and any(
        spot.zone != UNKNOWN for spot in found
    )
    groups: dict[str, list[Spot]] = {}
    for spot in found:
        groups.setdefault(spot.group, []).append(spot)
    if len(set(groups) - {""}) < 2:  # deallocated instances are in no placement group
        return [_Block("", found, zonal)]
    ordered = sorted(groups, key=lambda group: (not group, group))
    return [
        _Block(f"placement group {group[:8] or UNKNOWN}", groups[group], zonal) for group in ordered
    ]


def _groups(found: Iterable[Spot], family: str) -> dict[str, tuple[str, ...]]:
    """Ids by domain: numbers ascending, then names, then unknown."""
    groups: dict[str, list[str]] = {}
    for spot in found:
        groups.setdefault(getattr(spot, family), []).append(spot.id)

    def order(domain: str) -> tuple[bool, bool, int, str]:
        return (
            domain == UNKNOWN,
            not domain.isdecimal(),
            int(domain) if domain.isdecimal() else 0,
            domain,
        )

    return {domain: tuple(groups[domain]) for domain in sorted(groups, key=order)}


def _measured(blocks: Sequence[_Block], width: int, height: int) -> _Measures:
    label = max(len(row) for block in blocks for row in block.rows) + 6
    heads = max(len(_head(block, column)) for block in blocks for column in block.columns)
    tile = max(heads, *(len(spot.label) for block in blocks for spot in block.spots)) + 2
    most = max(len(cell) for block in blocks for cell in block.cells().values())
    columns = max(len(block.columns) for block in blocks)
    room = (width - label) // columns
    abreast = max([1, *(n for n in range(1, most + 1) if n * (tile + 1) + 2 <= room)])
    apart = 2 if abreast * (tile + 1) + 2 <= room else 0
    tile += max(0, min(7, (room - apart) // abreast - tile - 1))
    lines = sum(sum(_lines(block, row, abreast) for row in block.rows) for block in blocks)
    above = sum(4 if block.title else 2 for block in blocks) + any(
        spot.zone != UNKNOWN for spot in blocks[0].spots
    )
    for high, gap in ((3, 1), (1, 1)):
        if above + lines * (high + gap) - gap <= height:
            return _Measures(label, tile, abreast, apart, high, gap)
    return _Measures(label, tile, abreast, apart, 1, 0)


def _head(block: _Block, column: str) -> str:
    return f"{'zone' if block.zonal else 'FD'} {column}"


def _lines(block: _Block, row: str, abreast: int) -> int:
    cells = block.cells()
    return max(-(-len(cells.get((row, column), ())) // abreast) for column in block.columns)


def _zones(pieces: list[Piece], found: Sequence[Spot]) -> int:
    """A line of headings for the zones of a set that has fault domains too; where the map goes on."""
    zones = _groups(found, "zone")
    if set(zones) == {UNKNOWN}:
        return 0
    x = 0
    for zone, ids in zones.items():
        text = f"zone {zone}"
        pieces.append(Piece(x, 0, len(text) + 2, 1, text, text, ids))
        x += len(text) + 3
    return 1


def _draw(pieces: list[Piece], block: _Block, measures: _Measures, top: int) -> int:
    """Adds the pieces of a block; where the next one begins."""
    everything = tuple(spot.id for spot in block.spots)
    of = f" of {block.title}" if block.title else ""
    if block.title:
        pieces.append(Piece(0, top, len(block.title) + 2, 1, block.title, block.title, everything))
        top += 1
    pieces.append(Piece(0, top, 5, 1, "all", f"all{of}", everything))
    told, wide = (
        "zone" if block.zonal else "fault domain",
        measures.abreast * (measures.tile + 1) - 1,
    )
    for number, (column, ids) in enumerate(block.columns.items()):
        x = measures.label + number * measures.column
        pieces.append(Piece(x, top, wide, 1, _head(block, column), f"{told} {column}{of}", ids))
    top += 1 if measures.height == 1 and not measures.gap else 2
    cells, longest = (
        block.cells(),
        max(len(spot.id) for spot in block.spots) + 1,
    )  # ids stand below each other
    for row, ids in block.rows.items():
        middle = top + measures.height // 2
        pieces.append(
            Piece(0, middle, len(row) + 5, 1, f"UD {row}", f"update domain {row}{of}", ids)
        )
        for number, column in enumerate(block.columns):
            x = measures.label + number * measures.column
            pieces += _tiles(cells.get((row, column), ()), measures, x, top, longest)
        top += _lines(block, row, measures.abreast) * (measures.height + measures.gap)
    return top + (1 if block.title else 0)


def _tiles(
    found: Sequence[Spot], measures: _Measures, left: int, top: int, longest: int
) -> Iterator[Piece]:
    for number, spot in enumerate(found):
        line, place = divmod(number, measures.abreast)
        x, y = left + place * (measures.tile + 1), top + line * (measures.height + measures.gap)
        yield Piece(
            x,
            y,
            measures.tile,
            measures.height,
            spot.label.ljust(longest),
            f"instance {spot.id}",
            (spot.id,),
            spot,
        )
