"""The widget of the heat map, for arrow keys, space and mouse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from azurerm_lite.heatmap import Heatmap

from .tiles import Tile, lay_out

_GROUND = "#0d1117"
_HEADING = "#8b949e"
_PICKED = "#ffd33d"
_CURSOR = Style(color="#0d1117", bgcolor="#f0f6fc", bold=True)


class HeatMapView(ScrollView, can_focus=True):
    """The heat map of a scale set, with a cursor on one tile and picked instances."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pick", "Pick"),
        *(
            Binding(key, f"go('{key}')", show=False)
            for key in ("left", "right", "up", "down", "home", "end")
        ),
        Binding("d", "pick_domain('update_domain')", show=False),
        Binding("f", "pick_domain('fault_domain')", show=False),
        Binding("z", "pick_domain('zone')", show=False),
        Binding("a", "pick_all", show=False),
        Binding("escape", "pick_none", show=False),
    ]

    class SelectionChanged(Message):
        """Message: the cursor has moved, or other instances are picked."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.heat_map = Heatmap(())
        self.picked: set[str] = set()
        self._tiles: list[Tile] = []
        self._lines: dict[int, list[Tile]] = {}
        self._cursor = ""

    def show(self, heat_map: Heatmap) -> None:
        """Draw another heat map; instances that still exist stay picked."""
        self.heat_map = heat_map
        self.picked &= {cell.instance_id for cell in heat_map.cells}
        self._lay_out()
        self.post_message(self.SelectionChanged())

    def _lay_out(self) -> None:
        # The height excludes a scroll bar. Otherwise each layout would add or remove the bar.
        self._tiles = lay_out(self.heat_map, max(20, self.size.width - 1), self.size.height)
        self._lines = {}
        for tile in self._tiles:
            for y in range(tile.y, tile.y + tile.height):
                self._lines.setdefault(y, []).append(tile)
        width = max((tile.x + tile.width for tile in self._tiles), default=0)
        self.virtual_size = Size(width, max(self._lines, default=-1) + 1)
        self.refresh()

    def on_resize(self, _: events.Resize) -> None:
        """Lay out the heat map for the new size."""
        self._lay_out()

    @property
    def here(self) -> Tile | None:
        """The tile under the cursor; the first instance if the cursor was not moved."""
        for tile in self._tiles:
            if tile.name == self._cursor:
                return tile
        return next((tile for tile in self._tiles if tile.cell), None)

    @property
    def targets(self) -> tuple[str, ...]:
        """The ids for an action: the picked ones, or else those under the cursor."""
        if self.picked:
            ids = (cell.instance_id for cell in self.heat_map.cells)
            return tuple(instance_id for instance_id in ids if instance_id in self.picked)
        return self.here.ids if self.here else ()

    def render_line(self, y: int) -> Strip:
        """Return a line of the heat map for the screen."""
        y += self.scroll_offset.y
        segments: list[Segment] = []
        end = 0
        for tile in sorted(self._lines.get(y, ()), key=lambda tile: tile.x):
            segments.append(Segment(" " * (tile.x - end), Style(bgcolor=_GROUND)))
            segments += self._segments(tile, y - tile.y)
            end = tile.x + tile.width
        return Strip(segments).crop_extend(
            self.scroll_offset.x, self.scroll_offset.x + self.size.width, Style(bgcolor=_GROUND)
        )

    def _segments(self, tile: Tile, line: int) -> list[Segment]:
        """Return a line of a tile: framed if picked, reversed if under the cursor."""
        is_picked = bool(tile.ids) and self.picked.issuperset(tile.ids)
        style = _tile_style(tile, is_picked)
        frame = style + Style(color=_PICKED, bold=True) if is_picked else style
        left, middle, right = _frame(tile, line, is_picked)
        is_here = tile == self.here and self.has_focus and line == tile.height // 2
        return [
            Segment(left, frame),
            Segment(middle, _CURSOR if is_here else style),
            Segment(right, frame),
        ]

    def tile_at(self, x: int, y: int) -> Tile | None:
        """Return the tile at a position of the heat map; `None` if there is none."""
        for tile in self._lines.get(y, ()):
            if tile.x <= x < tile.x + tile.width:
                return tile
        return None

    def position_of(self, name: str) -> tuple[int, int]:
        """Return the position of the middle of a tile on the widget."""
        tile = next(tile for tile in self._tiles if tile.name == name)
        x = tile.x + tile.width // 2 - self.scroll_offset.x
        y = _middle(tile) - self.scroll_offset.y
        return x, y

    def on_click(self, event: events.Click) -> None:
        """Pick or unpick the tile that is clicked."""
        position = event.get_content_offset(self)
        if position is None:
            return
        tile = self.tile_at(position.x + self.scroll_offset.x, position.y + self.scroll_offset.y)
        if tile:
            self._cursor = tile.name
            self._toggle(tile.ids)

    def action_go(self, direction: str) -> None:
        """Move the cursor to the nearest tile in a direction."""
        here = self.here
        if not here:
            return
        instances = [tile for tile in self._tiles if tile.cell]
        if direction == "home":
            self._move_to(instances[0])
        elif direction == "end":
            self._move_to(instances[-1])
        elif tiles := [tile for tile in self._tiles if _is_towards(here, tile, direction)]:
            self._move_to(min(tiles, key=_distance_from(here, direction)))

    def _move_to(self, tile: Tile) -> None:
        self._cursor = tile.name
        self.scroll_to_region(Region(tile.x, tile.y, tile.width, tile.height), animate=False)
        self._announce_change()

    def action_pick(self) -> None:
        """Pick or unpick the tile under the cursor."""
        if self.here:
            self._toggle(self.here.ids)

    def action_pick_domain(self, domain: str) -> None:
        """Pick the domain or zone of the instance under the cursor, in all tables."""
        here = self.here.cell if self.here else None
        if here:
            wanted = getattr(here, domain)
            cells = [cell for cell in self.heat_map.cells if getattr(cell, domain) == wanted]
            self._toggle([cell.instance_id for cell in cells])

    def action_pick_all(self) -> None:
        """Pick every instance."""
        self.picked = {cell.instance_id for cell in self.heat_map.cells}
        self._announce_change()

    def action_pick_none(self) -> None:
        """Unpick every instance."""
        self.picked = set()
        self._announce_change()

    def _toggle(self, ids: Sequence[str]) -> None:
        if self.picked.issuperset(ids):
            self.picked = self.picked - set(ids)
        else:
            self.picked = self.picked | set(ids)
        self._announce_change()

    def _announce_change(self) -> None:
        self.refresh()
        self.post_message(self.SelectionChanged())


def _tile_style(tile: Tile, is_picked: bool) -> Style:
    """Return the style of a tile: filled for the latest model, outlined for an older one."""
    if tile.cell is None:
        return Style(color=_PICKED if is_picked else _HEADING, bgcolor=_GROUND, bold=is_picked)
    style = tile.cell.style
    if tile.cell.has_latest_model:
        return Style(color="#ffffff", bgcolor=style.fill, bold=True)
    return Style(color=style.ink, bgcolor=_GROUND)


def _frame(tile: Tile, line: int, is_picked: bool) -> tuple[str, str, str]:
    """Return the characters of a line of a tile: left edge, middle, right edge."""
    is_outdated = tile.cell is not None and not tile.cell.has_latest_model
    text = tile.text.center(tile.width - 2)
    if tile.height == 1:
        if is_picked:
            return "[", text, "]"
        return ("▏", text, "▕") if is_outdated else (" ", text, " ")
    edges = " " * 7
    if is_picked:
        edges = "┏━┓┃┗━┛"
    elif is_outdated:
        edges = "╭─╮│╰─╯"
    if line == tile.height // 2:
        return edges[3], text, edges[3]
    corner = 0 if line == 0 else 4
    return edges[corner], "", edges[corner + 1] * (tile.width - 2) + edges[corner + 2]


def _is_towards(here: Tile, tile: Tile, direction: str) -> bool:
    if direction == "left":
        return tile.x < here.x and _middle(tile) == _middle(here)
    if direction == "right":
        return tile.x > here.x and _middle(tile) == _middle(here)
    if direction == "up":
        return _middle(tile) < _middle(here)
    return _middle(tile) > _middle(here)


def _distance_from(here: Tile, direction: str) -> Callable[[Tile], Any]:
    """Return a function that measures the distance to a tile, as a sort key."""

    def along_the_line(tile: Tile) -> int:
        return abs(tile.x - here.x)

    def across_lines(tile: Tile) -> tuple[int, float]:
        return abs(_middle(tile) - _middle(here)), abs(_centre(tile) - _centre(here))

    return along_the_line if direction in ("left", "right") else across_lines


def _middle(tile: Tile) -> int:
    return tile.y + tile.height // 2


def _centre(tile: Tile) -> float:
    return tile.x + tile.width / 2
