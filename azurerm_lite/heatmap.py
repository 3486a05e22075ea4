"""The heat map of a scale set: instances by update and fault domain, as data, text and SVG."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, Literal, NamedTuple

from ._text import plural, printable
from .images import get_image
from .instances import (
    UNKNOWN,
    has_latest_model,
    health,
    id_sort_key,
    power_state,
    properties_of,
    provisioning_status,
    require_instances,
    view,
)
from .types import Instance

Flag = Literal["updating", "failed", "unhealthy", "outdated", "model unknown", "protected"]
"""What a cell shows in addition to its power state."""


class Style(NamedTuple):
    """The style of instances with a power state.

    Attributes:
        name: The power state, such as `running`; `unknown` for states that are not in `STYLES`.
        signs: Two signs: for the latest model, and for an older one.
        ascii_signs: The same signs in ASCII.
        terminal_colour: Number of a colour in a terminal's 256 colours.
        fill: The colour of a tile: dark enough for white text, light enough for a dark page.
        ink: The colour of text on a dark page.
    """

    name: str
    signs: tuple[str, str]
    ascii_signs: tuple[str, str]
    terminal_colour: int
    fill: str
    ink: str


STYLES = {
    "running": Style("running", ("●", "○"), ("*", "-"), 34, "#1a7f37", "#3fb950"),
    "starting": Style("starting", ("▲", "△"), ("S", "s"), 33, "#0969da", "#58a6ff"),
    "stopping": Style("stopping", ("▼", "▽"), ("P", "p"), 172, "#bc4c00", "#f0883e"),
    "stopped": Style("stopped", ("■", "□"), ("X", "x"), 160, "#cf222e", "#ff7b72"),
    "deallocating": Style("deallocating", ("◆", "◇"), ("G", "g"), 134, "#8250df", "#d2a8ff"),
    "deallocated": Style("deallocated", ("▬", "▭"), ("D", "d"), 244, "#6e7781", "#9aa4af"),
    UNKNOWN: Style(UNKNOWN, ("★", "☆"), ("U", "u"), 169, "#bf3989", "#ff7eb6"),
}
"""The style of each power state, in the order of the legend."""

FLAG_SIGNS: dict[str, tuple[str, str]] = {
    "updating": ("↻", "~"),
    "failed": ("✗", "!"),
    "unhealthy": ("✚", "+"),
    "model unknown": ("?", "?"),
}
"""The signs of the flags that follow an id, in Unicode and in ASCII; other flags have none."""


class Cell(NamedTuple):
    """An instance in the heat map. Control characters are replaced by question marks.

    Attributes:
        instance_id: Instance id.
        name: Name of the instance.
        placement_group: Id of the placement group; empty if there is none.
        update_domain: Update domain, or `unknown`.
        fault_domain: Fault domain, or `unknown`.
        zone: Availability zone, or `unknown`.
        power_state: Power state in lower case, or `unknown`.
        provisioning_state: Provisioning state in lower case, or `unknown`.
        health: Application health in lower case; `None` if the instance reports none.
        image_version: Version of the image; the name of an image without a version; or `unknown`.
        flags: Those of `updating`, `failed`, `unhealthy`, `outdated`, `model unknown` (only for
            members of Flexible sets) and `protected` that apply.
        style: The style of the cell.
    """

    instance_id: str
    name: str
    placement_group: str
    update_domain: str
    fault_domain: str
    zone: str
    power_state: str
    provisioning_state: str
    health: str | None
    image_version: str
    flags: tuple[Flag, ...]
    style: Style

    @property
    def has_latest_model(self) -> bool:
        """Whether the instance is known to have the latest model."""
        return "outdated" not in self.flags and "model unknown" not in self.flags

    @property
    def signed_flags(self) -> tuple[Flag, ...]:
        """The flags that are shown after the id."""
        return tuple(flag for flag in self.flags if flag in FLAG_SIGNS)

    def label(self, *, ascii_only: bool = False) -> str:
        """Return the sign, the id and the signs of the flags.

        Args:
            ascii_only: Whether to use the ASCII signs.

        Returns:
            A string such as `●7↻`.
        """
        signs = self.style.ascii_signs if ascii_only else self.style.signs
        sign = signs[0] if self.has_latest_model else signs[1]
        # Without a separator, the sign D and the id web_1 would become Dweb_1.
        separator = ":" if sign.isalpha() and not self.instance_id.isdecimal() else ""
        flags = "".join(FLAG_SIGNS[flag][ascii_only] for flag in self.signed_flags)
        return sign + separator + self.instance_id + flags

    def describe(self) -> str:
        """Return a description of the instance in six lines, for a tooltip."""
        model = "the latest model" if self.has_latest_model else "not the latest model"
        if "model unknown" in self.flags:
            model = "model unknown"
        zone = "none" if self.zone == UNKNOWN else self.zone
        states = (
            f"power {self.power_state}",
            f"provisioning {self.provisioning_state}",
            f"health {self.health or 'not reported'}",
        )
        lines = (
            f"{self.name} (instance {self.instance_id})",
            ", ".join(states),
            f"image {self.image_version}, {model}",
            f"update domain {self.update_domain}",
            f"fault domain {self.fault_domain}",
            f"zone {zone}",
        )
        return "\n".join(lines)


class Table(NamedTuple):
    """A table of the heat map: one placement group, or the whole scale set.

    Attributes:
        placement_group: Id of the placement group; empty for instances without one, and if the
            scale set has a single placement group.
        title: Title above the table; empty if there is only one table.
        columns_are: `fault domain` or `zone`.
        rows: The update domains, ascending.
        columns: The fault domains or zones, ascending.
        cells: The cells, ids in numeric order.
        places: `{(row, column): [cell, …]}`: the cells of each row and column that have any.
    """

    placement_group: str
    title: str
    columns_are: Literal["fault domain", "zone"]
    rows: list[str]
    columns: list[str]
    cells: list[Cell]
    places: dict[tuple[str, str], list[Cell]]

    def at(self, row: str, column: str) -> list[Cell]:
        """Return the cells in a row and column."""
        return self.places.get((row, column), [])

    def column_of(self, cell: Cell) -> str:
        """Return the column of a cell: its fault domain or zone."""
        return cell.zone if self.columns_are == "zone" else cell.fault_domain

    def row_heading(self, row: str) -> str:
        """Return the heading of a row, such as `UD 0`."""
        return f"UD {row}"

    def column_heading(self, column: str) -> str:
        """Return the heading of a column, such as `FD 0` or `zone 1`."""
        return f"zone {column}" if self.columns_are == "zone" else f"FD {column}"


class Heatmap:
    """The heat map of a scale set: `print` it, display it in a notebook, or use its cells as data.

    Attributes:
        cells: A `Cell` for each instance, ids in numeric order.
        tables: The cells as tables: one `Table` for the scale set, or one per placement group.
    """

    def __init__(self, cells: Iterable[Cell]) -> None:
        self.cells: tuple[Cell, ...] = tuple(cells)
        self.tables: tuple[Table, ...] = tuple(_tables(self.cells))

    def __repr__(self) -> str:
        return f"<Heatmap of {plural(len(self.cells), 'instance')}: print it>"

    def __str__(self) -> str:
        return _render_text(self)

    def to_svg(self) -> str:
        """Return the heat map as SVG, for an HTML page or a separate file.

        Returns:
            A string: an `<svg>` element with one tile per instance. The tile's tooltip has id,
            states and image version.
        """
        return _render_svg(self)

    def to_html(self) -> str:
        """Return the heat map as HTML.

        Returns:
            A string: a `<div>` with the SVG of `to_svg`.
        """
        return f'<div style="overflow-x:auto">{self.to_svg()}</div>'

    def _repr_html_(self) -> str:
        return self.to_html()


def heatmap(instances: Iterable[Instance]) -> Heatmap:
    """Return the heat map of a scale set: one row per update domain, one column per fault domain.

    If no instance has a fault domain, the columns are zones. A set with several placement groups
    has one table for each. Each instance has the colour of its power state.

    Args:
        instances: Instances with their instance views, as `get_instance_views` returns them.

    Returns:
        A `Heatmap`, a snapshot. `print` shows it in colour on a terminal with 256 colours or with
        `FORCE_COLOR`, and otherwise, or with `NO_COLOR`, in plain ASCII. A notebook displays it as
        SVG. `.to_svg()` and `.to_html()` return it as text, `.cells` and `.tables` as data.

    Raises:
        ValueError: `instances` is not a list of instances.
    """
    by_id = {instance["instanceId"]: instance for instance in require_instances(instances)}
    cells = [_cell(instance) for instance in by_id.values()]
    cells.sort(key=lambda cell: id_sort_key(cell.instance_id))
    return Heatmap(cells)


# The data


def _cell(instance: Instance) -> Cell:
    properties = properties_of(instance)
    instance_view = view(instance)
    power = power_state(instance)
    status = properties.get("provisioningState") or provisioning_status(instance)
    state = str(status or UNKNOWN).lower()
    app_health = health(instance)
    return Cell(
        instance_id=printable(instance["instanceId"]),
        name=printable(str(instance.get("name") or "")),
        placement_group=printable(str(instance_view.get("placementGroupId") or "")),
        update_domain=_domain(instance_view.get("platformUpdateDomain")),
        fault_domain=_domain(instance_view.get("platformFaultDomain")),
        zone=_domain(next(iter(instance.get("zones") or ()), None)),
        power_state=printable(power or UNKNOWN),
        provisioning_state=printable(state),
        health=app_health and printable(app_health),
        image_version=printable(_image_version(instance)),
        flags=_flags(instance, state.partition("/")[0], power, app_health),
        style=STYLES.get(power or UNKNOWN, STYLES[UNKNOWN]),
    )


def _flags(
    instance: Instance, state: str, power: str | None, app_health: str | None
) -> tuple[Flag, ...]:
    flags: list[Flag] = []
    if state in ("failed", "canceled"):
        flags.append("failed")
    elif state not in ("succeeded", UNKNOWN):
        flags.append("updating")
    # An instance that is powered off cannot report its health.
    if app_health not in (None, "healthy") and power in ("running", None):
        flags.append("unhealthy")
    if properties_of(instance).get("latestModelApplied") is None and _is_member(instance):
        flags.append("model unknown")
    elif not has_latest_model(instance):
        flags.append("outdated")
    if any((properties_of(instance).get("protectionPolicy") or {}).values()):
        flags.append("protected")
    return tuple(flags)


def _is_member(instance: Instance) -> bool:
    """Return whether an instance belongs to a Flexible set, for which Azure reports no model."""
    return not instance["instanceId"].isdecimal()


def _domain(value: Any) -> str:
    return UNKNOWN if value is None else printable(str(value))


def _image_version(instance: Instance) -> str:
    """Return the version of an instance's image, or the last part of its id or URL."""
    try:
        image = get_image(instance)
    except ValueError:
        return UNKNOWN
    if version := image.get("exact_version") or image.get("version"):
        return version
    # The query of a URL may contain a signature, which is a secret.
    location = (image.get("image_id") or image.get("image_uri") or "").partition("?")[0]
    return location.rpartition("/")[2] or UNKNOWN


def _tables(cells: Sequence[Cell]) -> Iterator[Table]:
    if not cells:
        return
    has_fault_domains = any(cell.fault_domain != UNKNOWN for cell in cells)
    has_zones = any(cell.zone != UNKNOWN for cell in cells)
    is_zonal = has_zones and not has_fault_domains
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.placement_group, []).append(cell)
    # Deallocated instances have no placement group, which does not count as a second group.
    if len(set(groups) - {""}) < 2:
        yield _table("", "", cells, is_zonal)
        return
    for group in sorted(groups, key=lambda group: (not group, group)):
        yield _table(group, f"Placement group {group or UNKNOWN}", groups[group], is_zonal)


def _table(group: str, title: str, cells: Sequence[Cell], is_zonal: bool) -> Table:
    places: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        column = cell.zone if is_zonal else cell.fault_domain
        places.setdefault((cell.update_domain, column), []).append(cell)
    return Table(
        placement_group=group,
        title=title,
        columns_are="zone" if is_zonal else "fault domain",
        rows=_sorted_domains(row for row, _ in places),
        columns=_sorted_domains(column for _, column in places),
        cells=list(cells),
        places=places,
    )


def _sorted_domains(domains: Iterable[str]) -> list[str]:
    """Return domains once each: numbers ascending, then names, `unknown` last."""
    return sorted(set(domains), key=lambda domain: (domain == UNKNOWN, id_sort_key(domain)))


# What text and SVG share


class _Column(NamedTuple):
    """A column of a table to draw."""

    domain: str
    heading: str
    most: int  # cells in its fullest row


def _columns(table: Table) -> list[_Column]:
    columns = []
    for domain in table.columns:
        most = max(len(table.at(row, domain)) for row in table.rows)
        columns.append(_Column(domain, table.column_heading(domain), most))
    return columns


def _fit(
    columns: Sequence[_Column], slot: float, character: float, gap: float, available: float
) -> tuple[int, list[float]]:
    """Return the most cells per line of a column, and the width of each column."""

    def widths(per_line: int) -> list[float]:
        return [
            max((len(column.heading) + 1) * character, min(per_line, column.most) * slot) + gap
            for column in columns
        ]

    per_line = 1
    most = max(column.most for column in columns)
    while per_line < most and sum(widths(per_line + 1)) <= available:
        per_line += 1
    return per_line, widths(per_line)


def _lines_of_row(
    table: Table, row: str, columns: Iterable[_Column], per_line: int
) -> Iterator[tuple[Sequence[Cell], ...]]:
    """Return the lines of a row; each has a part of the cells of every column."""
    parts = []
    for column in columns:
        cells = table.at(row, column.domain)
        starts = range(0, len(cells), per_line)
        parts.append([cells[start : start + per_line] for start in starts])
    return zip_longest(*parts, fillvalue=())


def _footer(
    cells: Sequence[Cell], width: int, ascii_only: bool, paint: Callable[[str, Style], str]
) -> list[str]:
    """Return the lines below the tables: a legend of the signs in use, and the summary."""
    names = {cell.style.name for cell in cells}
    flags = {flag for cell in cells for flag in cell.flags}
    styles = [style for style in STYLES.values() if style.name in names]
    items = [f"{_sign_pair(style, ascii_only)} {style.name}" for style in styles]
    items += [f"{signs[ascii_only]} {flag}" for flag, signs in FLAG_SIGNS.items() if flag in flags]
    lines = _wrap("  ".join(["latest/older model:", *items]), "  ", width) if items else []
    for style in styles:
        signs = _sign_pair(style, False)
        lines = [line.replace(signs, paint(signs, style)) for line in lines]
    return lines + _wrap(_summary(cells), ", ", width)


def _sign_pair(style: Style, ascii_only: bool) -> str:
    return "/".join(style.ascii_signs if ascii_only else style.signs)


def _summary(cells: Sequence[Cell]) -> str:
    counts: Counter[str] = Counter(cell.style.name for cell in cells)
    counts.update(flag for cell in cells for flag in cell.flags)
    current = sum(cell.has_latest_model for cell in cells)
    parts = [plural(len(cells), "instance"), f"{current} on the latest model"]
    parts += [f"{counts[name]} {name}" for name in (*STYLES, *FLAG_SIGNS) if counts[name]]
    return ", ".join(parts)


def _wrap(text: str, separator: str, width: int) -> list[str]:
    """Wrap a text into lines, only between its items."""
    items = text.split(separator)
    protected = separator.join(item.replace(" ", "\xa0") for item in items)
    return [line.replace("\xa0", " ") for line in _fold(protected, width)]


def _fold(text: str, width: int) -> list[str]:
    import textwrap  # imported here because it is needed only for drawing

    return textwrap.wrap(text, width, break_on_hyphens=False)


# Text

_FRAME = ("│", "─", "┼")
_ASCII_FRAME = ("|", "-", "+")
# Values of TERM without 256 colours; most other terminals have them.
_FEW_COLOURS = r"dumb|unknown|ansi$|linux$|cons|vt\d"
# The Windows console shows colours only if one of these variables is set.
_WINDOWS_TERMINALS = {"WT_SESSION", "ANSICON", "CONEMUANSI", "TERM", "TERM_PROGRAM"}


def _render_text(heat_map: Heatmap) -> str:
    ascii_only = _is_ascii_only()
    # Some terminals wrap a line of their full width.
    width = max(shutil.get_terminal_size().columns - 1, 20)
    lines: list[str] = []
    for table in heat_map.tables:
        lines += _text_table(table, width, ascii_only)
        lines.append("")
    text = "\n".join(lines + _footer(heat_map.cells, width, ascii_only, _colour))
    return text.encode("ascii", "replace").decode() if ascii_only else text


def _text_table(table: Table, width: int, ascii_only: bool) -> Iterator[str]:
    """Yield the lines of a table; columns that exceed the width follow below the others."""
    yield from _fold(table.title, width)
    bar, dash, cross = _ASCII_FRAME if ascii_only else _FRAME
    margin = max(len(table.row_heading(row)) for row in table.rows) + 1
    slot = max(len(cell.label(ascii_only=ascii_only)) for cell in table.cells) + 1
    for band, columns in enumerate(_bands(_columns(table), slot, width - margin)):
        per_line, column_widths = _fit(columns, slot, 1, 2, width - margin)
        widths = [int(column_width) for column_width in column_widths]
        headings = [
            f"{bar} {column.heading}".ljust(wide)
            for column, wide in zip(columns, widths, strict=True)
        ]
        rule = dash * margin + "".join(cross + dash * (wide - 1) for wide in widths)
        has_tall_rows = per_line < max(column.most for column in columns)
        if band:
            yield ""
        yield (" " * margin + "".join(headings)).rstrip()
        for number, row in enumerate(table.rows):
            if number == 0 or has_tall_rows:
                yield rule
            heading = table.row_heading(row)
            for parts in _lines_of_row(table, row, columns, per_line):
                texts = [
                    _text_cells(part, slot, wide, ascii_only)
                    for part, wide in zip(parts, widths, strict=True)
                ]
                yield heading.ljust(margin) + bar + bar.join(texts).rstrip()
                heading = ""


def _bands(columns: Iterable[_Column], slot: int, available: int) -> list[list[_Column]]:
    """Return columns in groups that fit next to each other with one cell per line."""
    bands: list[list[_Column]] = [[]]
    used = 0
    for column in columns:
        wide = max(len(column.heading) + 1, slot) + 2
        if bands[-1] and used + wide > available:
            bands.append([])
            used = 0
        bands[-1].append(column)
        used += wide
    return bands


def _text_cells(cells: Sequence[Cell], slot: int, width: int, ascii_only: bool) -> str:
    """Return the cells of one line of a column, padded to its width."""
    text = " "
    for cell in cells:
        label = cell.label(ascii_only=ascii_only)
        padding = " " * (slot - len(label))
        if not ascii_only:
            label = _colour(label, cell.style, bold=bool(cell.signed_flags))
        text += label + padding
    return text + " " * (width - 2 - slot * len(cells))


def _colour(text: str, style: Style, *, bold: bool = False) -> str:
    weight = "1;" if bold else ""
    return f"\x1b[{weight}38;5;{style.terminal_colour}m{text}\x1b[0m"


def _is_ascii_only() -> bool:
    """Return whether to print plain ASCII.

    `NO_COLOR` selects ASCII. `FORCE_COLOR` selects colours also if the output is not a terminal, as
    for Python's tracebacks.
    """
    if os.environ.get("NO_COLOR") or not _can_encode_signs():
        return True
    if os.environ.get("FORCE_COLOR"):
        return False
    return not _is_colour_terminal()


def _can_encode_signs() -> bool:
    drawn = [*_FRAME, *(signs[0] for signs in FLAG_SIGNS.values())]
    drawn += [sign for style in STYLES.values() for sign in style.signs]
    try:
        "".join(drawn).encode(sys.stdout.encoding)
    except (AttributeError, TypeError, LookupError, UnicodeEncodeError):
        return False  # pythonw has no standard output at all
    return True


def _is_colour_terminal() -> bool:
    is_terminal = getattr(sys.stdout, "isatty", lambda: False)
    if re.match(_FEW_COLOURS, os.environ.get("TERM", "")) or not is_terminal():
        return False
    return os.name != "nt" or bool(_WINDOWS_TERMINALS & set(os.environ))


# SVG, in pixels

_MAX_WIDTH = 960
_MIN_WIDTH = 480.0
_CHARACTER = 7.3
_TILE_HEIGHT = 20
_TILE_GAP = 4
_COLUMN_GAP = 14
_FONT = "ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace"
# In a page, text has the page's colour; in a separate file (:root), that of the reader's theme.
_CSS = (
    "svg:root{color-scheme:light dark;color:#1f2328}"
    "@media(prefers-color-scheme:dark){svg:root{color:#e6edf3}}"
)


def _render_svg(heat_map: Heatmap) -> str:
    elements: list[str] = []
    width = _MIN_WIDTH
    top = 0.0
    for table in heat_map.tables:
        table_width, top = _svg_table(elements, table, top)
        width = max(width, table_width)
    for line in _footer(heat_map.cells, int(width / _CHARACTER), False, _tint):
        top += 18
        # Browsers collapse two spaces into one.
        elements.append(_svg_text(0, top, line.replace("  ", "\xa0 ")))
    size = f"{width + 8:.0f}", f"{top + 8:.0f}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" '
        f'viewBox="-4 0 {size[0]} {size[1]}" fill="currentColor" font-family="{_FONT}" '
        f'font-size="12" role="img" aria-label="{_summary(heat_map.cells)}">'
        f"<style>{_CSS}</style>{''.join(elements)}</svg>"
    )


def _svg_table(elements: list[str], table: Table, top: float) -> tuple[float, float]:
    """Append the elements of a table; return its width and its bottom edge."""
    columns = _columns(table)
    margin = (max(len(table.row_heading(row)) for row in table.rows) + 2) * _CHARACTER
    tile = max(len(cell.label()) for cell in table.cells) * _CHARACTER + 10
    slot = tile + _TILE_GAP
    per_line, widths = _fit(columns, slot, _CHARACTER, _COLUMN_GAP, _MAX_WIDTH - margin)
    width = margin + sum(widths) - _COLUMN_GAP
    lefts = [margin + sum(widths[:number]) for number in range(len(widths))]
    if table.title:
        top += 22
        elements.append(_svg_text(0, top, _escape(table.title)))
    for left, column in zip(lefts, columns, strict=True):
        elements.append(_svg_text(left, top + 16, _escape(column.heading)))
    top += 22
    for row in table.rows:
        rule = f"M0 {top:.0f}h{width:.0f}"
        elements.append(f'<path d="{rule}" stroke="currentColor" opacity=".3"/>')
        elements.append(_svg_text(0, top + 20, _escape(table.row_heading(row))))
        for parts in _lines_of_row(table, row, columns, per_line):
            for left, cells in zip(lefts, parts, strict=True):
                for number, cell in enumerate(cells):
                    elements.append(_svg_tile(cell, left + number * slot, top + 6, tile))
            top += _TILE_HEIGHT + _TILE_GAP
        top += 8
    return width, top


def _svg_tile(cell: Cell, x: float, y: float, width: float) -> str:
    colour = cell.style.fill
    fill, ink = (colour, "#fff") if cell.has_latest_model else ("none", "currentColor")
    weight = ' font-weight="bold"' if cell.signed_flags else ""
    return (
        f'<g data-instance="{_escape(cell.instance_id)}">'
        f"<title>{_escape(cell.describe())}</title>"
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{_TILE_HEIGHT}" rx="4" '
        f'fill="{fill}" stroke="{colour}" stroke-width="2" pointer-events="all"/>'
        f'<text x="{x + width / 2:.1f}" y="{y + 14:.1f}" fill="{ink}" '
        f'text-anchor="middle"{weight}>{_escape(cell.label())}</text></g>'
    )


def _svg_text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}">{text}</text>'


def _tint(text: str, style: Style) -> str:
    return f'<tspan fill="{style.fill}">{text}</tspan>'


def _escape(text: str) -> str:
    import html  # imported here because its list of entities is slow to load

    return html.escape(text)
