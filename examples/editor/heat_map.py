"""The heat map as a widget: drawn line by line, walked with the arrow keys, picked from with space and mouse."""

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

from .picture import POWER, Piece, Spot, picture

_GROUND, _HEAD, _PICKED = "#0d1117", "#8b949e", "#ffd33d"
_CURSOR = Style(color="#0d1117", bgcolor="#f0f6fc", bold=True)


class Heat(ScrollView, can_focus=True):
    """The map of a set: a cursor on one piece of it, and the ids that are picked."""

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

    class Moved(Message):
        """The cursor stands somewhere else, or other instances are picked."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.spots: list[Spot] = []
        self.picked: set[str] = set()
        self._pieces: list[Piece] = []
        self._lines: dict[int, list[Piece]] = {}
        self._cursor = ""

    def show(self, found: Sequence[Spot]) -> None:
        """Draws other instances, or the same in another state; what is picked stays picked as far as it is there."""
        self.spots = list(found)
        self.picked &= {spot.id for spot in found}
        self._lay_out()
        self.post_message(self.Moved())

    def _lay_out(self) -> None:
        # The height is that of the widget without a scroll bar, or one line more would make and
        # unmake it in turn.
        self._pieces = picture(self.spots, max(20, self.size.width - 1), self.size.height)
        self._lines = {}
        for piece in self._pieces:
            for y in range(piece.y, piece.y + piece.height):
                self._lines.setdefault(y, []).append(piece)
        wide = max((piece.x + piece.width for piece in self._pieces), default=0)
        self.virtual_size = Size(wide, max(self._lines, default=-1) + 1)
        self.refresh()

    def on_resize(self, _: events.Resize) -> None:
        """Lays the map out anew."""
        self._lay_out()

    @property
    def here(self) -> Piece | None:
        """The piece that the cursor is on: the one that it was put on, or the first instance."""
        first = next((piece for piece in self._pieces if piece.spot), None)
        return next((piece for piece in self._pieces if piece.name == self._cursor), first)

    @property
    def targets(self) -> tuple[str, ...]:
        """The ids that an action is for: those that are picked, else what the cursor is on."""
        if self.picked:
            return tuple(spot.id for spot in self.spots if spot.id in self.picked)
        return self.here.ids if self.here else ()

    def render_line(self, y: int) -> Strip:
        """A line of the map as it stands on the screen."""
        y += self.scroll_offset.y
        segments: list[Segment] = []
        at = 0
        for piece in sorted(self._lines.get(y, ()), key=lambda each: each.x):
            segments.append(Segment(" " * (piece.x - at), Style(bgcolor=_GROUND)))
            segments += self._drawn(piece, y - piece.y)
            at = piece.x + piece.width
        return Strip(segments).crop_extend(
            self.scroll_offset.x, self.scroll_offset.x + self.size.width, Style(bgcolor=_GROUND)
        )

    def _drawn(self, piece: Piece, line: int) -> list[Segment]:
        """A line of a piece: filled or outlined, framed where it is picked, reversed where the cursor is."""
        is_picked = bool(piece.ids) and self.picked.issuperset(piece.ids)
        if piece.spot is None:
            style = Style(color=_PICKED if is_picked else _HEAD, bgcolor=_GROUND, bold=is_picked)
        else:
            look = POWER[piece.spot.power]
            solid = Style(color="#ffffff", bgcolor=look.fill, bold=True)
            style = solid if piece.spot.latest else Style(color=look.ink, bgcolor=_GROUND)
        frame = style + Style(color=_PICKED, bold=True) if is_picked else style
        left, middle, right = _frame(piece, line, is_picked)
        is_here = piece == self.here and self.has_focus and line == piece.height // 2
        return [
            Segment(left, frame),
            Segment(middle, _CURSOR if is_here else style),
            Segment(right, frame),
        ]

    def piece_at(self, x: int, y: int) -> Piece | None:
        """The piece at a place of the map."""
        return next(
            (piece for piece in self._lines.get(y, ()) if piece.x <= x < piece.x + piece.width),
            None,
        )

    def place_of(self, name: str) -> tuple[int, int]:
        """Where a piece is on the widget: its middle, for whoever wants to click there."""
        piece = next(piece for piece in self._pieces if piece.name == name)
        x, y = (
            piece.x + piece.width // 2 - self.scroll_offset.x,
            piece.y + piece.height // 2 - self.scroll_offset.y,
        )
        return x, y

    def on_click(self, event: events.Click) -> None:
        """Picks what is clicked, or puts it back."""
        place = event.get_content_offset(self)
        piece = place and self.piece_at(
            place.x + self.scroll_offset.x, place.y + self.scroll_offset.y
        )
        if piece:
            self._cursor = piece.name
            self._toggle(piece.ids)

    def action_go(self, way: str) -> None:
        """Moves the cursor to the nearest piece that way."""
        if not (here := self.here):
            return
        nearest: Callable[[Piece], Any]
        if way in ("home", "end"):
            tiles = [piece for piece in self._pieces if piece.spot]
            found = [tiles[0] if way == "home" else tiles[-1]] if tiles else []
        else:
            found = [piece for piece in self._pieces if _is_that_way(here, piece, way)]
        if not found:
            return
        if way in ("left", "right"):
            nearest = lambda piece: abs(piece.x - here.x)  # noqa: E731
        else:
            nearest = lambda piece: (
                abs(_middle(piece) - _middle(here)),
                abs(_centre(piece) - _centre(here)),
            )
        self._put(min(found, key=nearest))

    def _put(self, piece: Piece) -> None:
        self._cursor = piece.name
        self.scroll_to_region(Region(piece.x, piece.y, piece.width, piece.height), animate=False)
        self._changed()

    def action_pick(self) -> None:
        """Picks what the cursor is on, or puts it back."""
        if self.here:
            self._toggle(self.here.ids)

    def action_pick_domain(self, family: str) -> None:
        """Picks the domain or zone of the instance under the cursor, all over the set."""
        spot = self.here.spot if self.here else None
        if spot:
            self._toggle(
                tuple(
                    each.id for each in self.spots if getattr(each, family) == getattr(spot, family)
                )
            )

    def action_pick_all(self) -> None:
        """Picks every instance."""
        self.picked = {spot.id for spot in self.spots}
        self._changed()

    def action_pick_none(self) -> None:
        """Picks none."""
        self.picked = set()
        self._changed()

    def _toggle(self, ids: Sequence[str]) -> None:
        self.picked = (
            self.picked - set(ids) if self.picked.issuperset(ids) else self.picked | set(ids)
        )
        self._changed()

    def _changed(self) -> None:
        self.refresh()
        self.post_message(self.Moved())


def _frame(piece: Piece, line: int, is_picked: bool) -> tuple[str, str, str]:
    """The characters of a line of a piece: its left edge, what is between, its right edge."""
    wide = piece.width - 2
    if piece.height == 1:
        left, right = (
            ("[", "]")
            if is_picked
            else ("▏", "▕")
            if piece.spot and not piece.spot.latest
            else (" ", " ")
        )
        return left, piece.text.center(wide), right
    is_framed = is_picked or not (piece.spot and piece.spot.latest)
    edges = "┏━┓┃┗━┛" if is_picked else "╭─╮│╰─╯" if is_framed else " " * 7
    if line == piece.height // 2:
        return edges[3], piece.text.center(wide), edges[3]
    corner = 0 if line == 0 else 4
    return edges[corner], "", edges[corner + 1] * wide + edges[corner + 2]


def _is_that_way(here: Piece, piece: Piece, way: str) -> bool:
    if way == "left":
        return piece.x < here.x and _middle(piece) == _middle(here)
    if way == "right":
        return piece.x > here.x and _middle(piece) == _middle(here)
    return _middle(piece) < _middle(here) if way == "up" else _middle(piece) > _middle(here)


def _middle(piece: Piece) -> int:
    return piece.y + piece.height // 2


def _centre(piece: Piece) -> float:
    return piece.x + piece.width / 2
