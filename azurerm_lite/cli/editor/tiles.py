"""The heat map as tiles for a terminal: their positions, and the instances of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from azurerm_lite.heatmap import Cell, Heatmap, Table

UNKNOWN = "unknown"
IN_TRANSITION = ("starting", "stopping", "deallocating")


class Tile(NamedTuple):
    """A tile of the heat map: an instance or a heading.

    Attributes:
        x: Left edge, in characters.
        y: Upper edge, in lines.
        width: Width, in characters.
        height: Height, in lines.
        text: The text on it.
        name: Unique name, such as `instance 7` or `update domain 2`.
        ids: Ids of the instances that are picked with it.
        cell: The instance; `None` for a heading.
    """

    x: int
    y: int
    width: int
    height: int
    text: str
    name: str
    ids: tuple[str, ...]
    cell: Cell | None = None


class _Measures(NamedTuple):
    """Widths and heights of all tables, in characters and lines."""

    margin: int  # the headings of the rows
    tile: int
    per_line: int  # tiles side by side in a column
    column_gap: int
    height: int
    gap: int

    @property
    def column(self) -> int:
        return self.per_line * (self.tile + 1) + self.column_gap


def lay_out(heat_map: Heatmap, width: int, height: int) -> list[Tile]:
    """Return the tiles of a heat map.

    Args:
        heat_map: The heat map.
        width: Characters per line; columns exceed it if necessary.
        height: Number of lines; tables exceed it if necessary.

    Returns:
        List of tiles that do not overlap: headings, and one tile per instance.
    """
    if not heat_map.tables:
        return []
    measures = _measure(heat_map, width, height)
    tiles: list[Tile] = []
    top = 0
    if heat_map.tables[0].columns_are == "fault domain":
        tiles += _zone_headings(heat_map.cells)
        top = 1 if tiles else 0
    for table in heat_map.tables:
        top = _add_table(tiles, table, measures, top)
    return tiles


def is_busy(cell: Cell) -> bool:
    """Return whether an instance is being changed."""
    return "updating" in cell.flags or cell.power_state in IN_TRANSITION


def facts(cell: Cell) -> list[str]:
    """Return the facts about an instance: states, image, place."""
    power = "power unknown" if cell.power_state == UNKNOWN else cell.power_state
    image = "no image" if cell.image_version == UNKNOWN else cell.image_version
    model = "latest" if cell.has_latest_model else "older"
    places = [f"UD {cell.update_domain}", f"FD {cell.fault_domain}"]
    if cell.zone != UNKNOWN:
        places.append(f"zone {cell.zone}")
    if "protected" in cell.flags:
        places.append("protected")
    return [
        f"{power} · {cell.provisioning_state} · {cell.health or 'no health'}",
        f"{image} ({model} model)",
        " · ".join(places),
    ]


def _measure(heat_map: Heatmap, width: int, height: int) -> _Measures:
    tables = heat_map.tables
    margin = max(len(row) for table in tables for row in table.rows) + 6
    heading = max(len(table.column_heading(name)) for table in tables for name in table.columns)
    tile = max(heading, *(len(cell.label()) for cell in heat_map.cells)) + 2
    most = max(len(cells) for table in tables for cells in table.places.values())
    columns = max(len(table.columns) for table in tables)
    space = (width - margin) // columns
    per_line = max(1, min(most, (space - 2) // (tile + 1)))
    column_gap = 2 if per_line * (tile + 1) + 2 <= space else 0
    spare = (space - column_gap) // per_line - tile - 1
    tile += max(0, min(7, spare))
    lines = sum(_line_count(table, row, per_line) for table in tables for row in table.rows)
    headings = sum(4 if table.title else 2 for table in tables)
    if any(cell.zone != UNKNOWN for cell in tables[0].cells):
        headings += 1
    for tile_height, gap in ((3, 1), (1, 1)):
        if headings + lines * (tile_height + gap) - gap <= height:
            return _Measures(margin, tile, per_line, column_gap, tile_height, gap)
    return _Measures(margin, tile, per_line, column_gap, 1, 0)


def _line_count(table: Table, row: str, per_line: int) -> int:
    """Return the number of lines of tiles that the fullest cell of a row needs."""
    most = max(len(table.at(row, column)) for column in table.columns)
    return -(-most // per_line)


def _zone_headings(cells: Sequence[Cell]) -> Iterator[Tile]:
    """Yield headings for the zones of a set that also has fault domains."""
    zones = sorted({cell.zone for cell in cells}, key=lambda zone: (zone == UNKNOWN, zone))
    if zones == [UNKNOWN]:
        return
    x = 0
    for zone in zones:
        text = f"zone {zone}"
        ids = _ids(cell for cell in cells if cell.zone == zone)
        yield Tile(x, 0, len(text) + 2, 1, text, text, ids)
        x += len(text) + 3


def _add_table(tiles: list[Tile], table: Table, measures: _Measures, top: int) -> int:
    """Add the tiles of a table; return the line at which the next table starts."""
    ending = ""
    if table.title:
        title = f"placement group {table.placement_group[:8] or UNKNOWN}"
        ending = f" of {title}"
        tiles.append(Tile(0, top, len(title) + 2, 1, title, title, _ids(table.cells)))
        top += 1
    tiles.append(Tile(0, top, 5, 1, "all", f"all{ending}", _ids(table.cells)))
    lefts = [measures.margin + number * measures.column for number in range(len(table.columns))]
    width = measures.per_line * (measures.tile + 1) - 1
    for left, column in zip(lefts, table.columns, strict=True):
        heading = table.column_heading(column)
        name = f"{table.columns_are} {column}{ending}"
        ids = _ids(cell for cell in table.cells if table.column_of(cell) == column)
        tiles.append(Tile(left, top, width, 1, heading, name, ids))
    top += 1 if measures.height == 1 and not measures.gap else 2
    # Ids are aligned below each other.
    label_width = max(len(cell.instance_id) for cell in table.cells) + 1
    for row in table.rows:
        middle = top + measures.height // 2
        name = f"update domain {row}{ending}"
        ids = _ids(cell for cell in table.cells if cell.update_domain == row)
        tiles.append(Tile(0, middle, len(row) + 5, 1, table.row_heading(row), name, ids))
        for left, column in zip(lefts, table.columns, strict=True):
            tiles += _instance_tiles(table.at(row, column), measures, left, top, label_width)
        lines = _line_count(table, row, measures.per_line)
        top += lines * (measures.height + measures.gap)
    return top + (1 if table.title else 0)


def _instance_tiles(
    cells: Sequence[Cell], measures: _Measures, left: int, top: int, label_width: int
) -> Iterator[Tile]:
    for number, cell in enumerate(cells):
        line, place = divmod(number, measures.per_line)
        yield Tile(
            x=left + place * (measures.tile + 1),
            y=top + line * (measures.height + measures.gap),
            width=measures.tile,
            height=measures.height,
            text=cell.label().ljust(label_width),
            name=f"instance {cell.instance_id}",
            ids=(cell.instance_id,),
            cell=cell,
        )


def _ids(cells: Iterable[Cell]) -> tuple[str, ...]:
    return tuple(cell.instance_id for cell in cells)
