"""The picture of a scale set: its instances by update and fault domain, for a terminal and for a notebook."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from ._text import plural
from .images import get_image
from .instances import (
    UNKNOWN,
    by_fault_domain,
    by_update_domain,
    by_zone,
    health,
    power_state,
    provisioning_status,
    require_instances,
    view,
)
from .types import Instance


class _Look(NamedTuple):
    """How a power state looks: signs in Unicode and in ASCII, each for the latest model and for any other."""

    signs: tuple[str, str]
    colour: int  # of the 256 of a terminal
    fill: str  # dark enough to carry white text, light enough to stand out from a dark page


_POWER = {
    "running": _Look(("●/○", "*/-"), 34, "#1a7f37"),
    "starting": _Look(("▲/△", "S/s"), 33, "#0969da"),
    "stopping": _Look(("▼/▽", "P/p"), 172, "#bc4c00"),
    "stopped": _Look(("■/□", "X/x"), 160, "#cf222e"),
    "deallocating": _Look(("◆/◇", "G/g"), 134, "#8250df"),
    "deallocated": _Look(("▬/▭", "D/d"), 244, "#6e7781"),
    UNKNOWN: _Look(("★/☆", "U/u"), 169, "#bf3989"),
}
_FLAGS = {"updating": "↻~", "failed": "✗!", "unhealthy": "✚+"}  # in Unicode and in ASCII
# Terminals without 256 colours, by TERM: many others have them, whatever they call themselves.
_FEW_COLOURS = r"dumb|unknown|ansi$|linux$|cons|vt\d"
_LINES = ("│", "─", "┼"), ("|", "-", "+")

# The SVG in pixels: how wide it may grow, a character, the height of a tile, between tiles, between
# cells.
_WIDE, _CHAR, _HIGH, _GAP, _APART = 960, 7.3, 20, 4, 14
_FONT = "ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace"
# Inside a page, text has the colour of the page's; in a file of its own (:root), the one of the
# reader's theme.
_STYLE = "svg:root{color-scheme:light dark;color:#1f2328}@media(prefers-color-scheme:dark){svg:root{color:#e6edf3}}"


class _Spot(NamedTuple):
    """An instance in the picture."""

    id: str
    power: str
    latest: bool
    flags: tuple[str, ...]
    title: str

    def label(self, plain: bool) -> str:
        sign = _POWER[self.power].signs[plain][0 if self.latest else -1]
        between = (
            ":" if sign.isalpha() and not self.id.isdecimal() else ""
        )  # or D and web_1 would read Dweb_1
        return sign + between + self.id + "".join(_FLAGS[flag][plain] for flag in self.flags)


class _Block(NamedTuple):
    """A table of the picture: its title, the names of its rows and columns, and the instances where they cross."""

    title: str
    rows: list[str]
    columns: list[str]
    cells: dict[tuple[str, str], list[_Spot]]

    def most(self, columns: Iterable[str]) -> dict[str, int]:
        """How many instances the fullest cell of each column holds."""
        return {
            column: max(len(self.cells.get((row, column), ())) for row in self.rows)
            for column in columns
        }

    def lines(
        self, row: str, columns: Iterable[str], abreast: int
    ) -> Iterator[tuple[Sequence[_Spot], ...]]:
        """The lines of a row, each with its part of every cell."""
        cells = (self.cells.get((row, column), []) for column in columns)
        parts = (
            [cell[start : start + abreast] for start in range(0, len(cell), abreast)]
            for cell in cells
        )
        return zip_longest(*parts, fillvalue=())


class Heatmap:
    """The picture of a scale set: `print` it, or let a notebook show it."""

    def __init__(self, blocks: tuple[_Block, ...]) -> None:
        self._blocks = blocks

    def __repr__(self) -> str:
        return f"<Heatmap of {plural(len(self._spots()), 'instance')}: print it>"

    def __str__(self) -> str:
        plain = _plain()
        width = max(
            shutil.get_terminal_size().columns - 1, 20
        )  # some terminals break a line that fills them
        lines = [line for block in self._blocks for line in (*_table(block, width, plain), "")]
        text = "\n".join(lines + _below(self._spots(), width, plain, _coloured))
        return text.encode("ascii", "replace").decode() if plain else text

    def to_svg(self) -> str:
        """The picture as SVG, to stand in a page or in a file of its own.

        Returns:
            An `<svg>` element: each instance once, with its id, states and image version as a
            tooltip.
        """
        drawn: list[str] = []
        width, top = 480.0, 0.0
        for block in self._blocks:
            wide, top = _draw(drawn, block, top)
            width = max(width, wide)
        for line in _below(self._spots(), int(width / _CHAR), False, _tinted):
            top += 18
            drawn.append(
                _text(0, top, line.replace("  ", "\xa0 "))
            )  # browsers make one of two spaces
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 8:.0f}" height="{top + 8:.0f}" '
            f'viewBox="-4 0 {width + 8:.0f} {top + 8:.0f}" fill="currentColor" font-family="{_FONT}" font-size="12" '
            f'role="img" aria-label="{_summary(self._spots())}">'
            f"<style>{_STYLE}</style>{''.join(drawn)}</svg>"
        )

    def to_html(self) -> str:
        """The picture as HTML.

        Returns:
            A `<div>` with the SVG of `to_svg` in it.
        """
        return f'<div style="overflow-x:auto">{self.to_svg()}</div>'

    def _repr_html_(self) -> str:
        return self.to_html()

    def _spots(self) -> list[_Spot]:
        return [spot for block in self._blocks for cell in block.cells.values() for spot in cell]


def heatmap(instances: Iterable[Instance]) -> Heatmap:
    """The picture of a scale set: a row per update domain, a column per fault domain, each instance coloured by state.

    Where no instance has a fault domain, zones make the columns. A set of several placement groups
    is a table for each.

    Args:
        instances: Instances with their instance views, as `get_instance_views` returns them.

    Returns:
        A snapshot to `print`, in colour on a terminal of 256 colours or with `FORCE_COLOR`, else
        and with `NO_COLOR` in plain ASCII; which a notebook shows by itself, with `.to_svg()` and
        `.to_html()`.

    Raises:
        ValueError: `instances` are no instances.
    """
    found = list(
        {instance["instanceId"]: instance for instance in require_instances(instances)}.values()
    )
    has_racks = any(view(each).get("platformFaultDomain") is not None for each in found)
    zonal = not has_racks and any(each.get("zones") for each in found)
    groups: dict[str, list[Instance]] = {}
    for instance in found:
        groups.setdefault(str(view(instance).get("placementGroupId") or ""), []).append(instance)
    # Deallocated instances are in no placement group: beside a single one they make none of their
    # own.
    if len(set(groups) - {""}) < 2:
        return Heatmap((_block("", found, zonal),) if found else ())
    ordered = sorted(groups, key=lambda group: (not group, group))
    return Heatmap(
        tuple(
            _block(f"Placement group {group or UNKNOWN}", groups[group], zonal) for group in ordered
        )
    )


def _block(title: str, instances: Sequence[Instance], zonal: bool) -> _Block:
    grouped, name = (by_zone(instances), "zone") if zonal else (by_fault_domain(instances), "FD")
    columns = {_clean(f"{name} {domain}"): ids for domain, ids in grouped.items()}
    rows = {_clean(f"UD {domain}"): ids for domain, ids in by_update_domain(instances).items()}
    column_of = {each: column for column, ids in columns.items() for each in ids}
    spots = {instance["instanceId"]: _spot(instance) for instance in instances}
    cells: dict[tuple[str, str], list[_Spot]] = {}
    for row, ids in rows.items():
        for each in ids:
            cells.setdefault((row, column_of[each]), []).append(spots[each])
    return _Block(_clean(title), list(rows), list(columns), cells)


def _spot(instance: Instance) -> _Spot:
    properties, seen = instance["properties"], view(instance)
    power, healthy = power_state(instance), health(instance)
    state = str(
        properties.get("provisioningState") or provisioning_status(instance) or UNKNOWN
    ).lower()
    latest = bool(properties.get("latestModelApplied"))
    update_domain, fault_domain = seen.get("platformUpdateDomain"), seen.get("platformFaultDomain")
    title = (
        f"{instance.get('name', '')} (instance {instance['instanceId']})",
        f"power {power or UNKNOWN}, provisioning {state}, health {healthy or 'not reported'}",
        f"image {_version(instance)}, {'' if latest else 'not '}the latest model",
        f"update domain {UNKNOWN if update_domain is None else update_domain}",
        f"fault domain {UNKNOWN if fault_domain is None else fault_domain}",
        f"zone {', '.join(instance.get('zones') or ('none',))}",
    )
    known = power if power in _POWER else UNKNOWN
    lines = title if "".join(title).isprintable() else map(_clean, title)
    marks = _marks(state.partition("/")[0], power, healthy)
    return _Spot(_clean(instance["instanceId"]), known, latest, marks, "\n".join(lines))


def _marks(state: str, power: str | None, healthy: str | None) -> tuple[str, ...]:
    """What is to be seen beside the power state and the model, in the order of `_FLAGS`."""
    # Whether it is unhealthy, as a rollout sees it.
    ill = ("unhealthy",) if healthy not in (None, "healthy") and power in ("running", None) else ()
    if state in ("succeeded", UNKNOWN):
        return ill
    return ("failed" if state in ("failed", "canceled") else "updating", *ill)


def _version(instance: Instance) -> str:
    """The version of an instance's image; of an image that has only an id or a URL, the last part of that."""
    try:
        image = get_image(instance)
    except ValueError:
        return UNKNOWN
    if version := image.get("exact_version") or image.get("version"):
        return version
    # What follows the question mark of a URL may be a signature: a secret.
    where = (image.get("image_id") or image.get("image_uri") or "").partition("?")[0]
    return where.rpartition("/")[2] or UNKNOWN


def _clean(text: str) -> str:
    """A text without characters that would steer a terminal or spoil XML."""
    return (
        text
        if text.isprintable()
        else "".join(each if each.isprintable() else "?" for each in text)
    )


def _plain() -> bool:
    """Whether standard output is to get ASCII alone: it is no terminal of many colours, or cannot show our signs.

    `NO_COLOR` asks for that, `FORCE_COLOR` for colours wherever the output goes, as with Python's
    own tracebacks.
    """
    try:
        if os.environ.get("NO_COLOR"):
            return True
        forced = bool(os.environ.get("FORCE_COLOR"))
        if not forced and (
            re.match(_FEW_COLOURS, os.environ.get("TERM", "")) or not sys.stdout.isatty()
        ):
            return True
        "".join(
            [*(look.signs[0] for look in _POWER.values()), *_FLAGS.values(), *_LINES[0]]
        ).encode(sys.stdout.encoding)
    except (
        AttributeError,
        TypeError,
        LookupError,
        UnicodeEncodeError,
    ):  # pythonw has no standard output at all
        return True
    # The console of Windows shows colours only where one of these says so.
    return (
        os.name == "nt"
        and not forced
        and not {"WT_SESSION", "ANSICON", "CONEMUANSI", "TERM", "TERM_PROGRAM"} & set(os.environ)
    )


def _coloured(text: str, power: str, bold: bool = False) -> str:
    return f"\x1b[{'1;' if bold else ''}38;5;{_POWER[power].colour}m{text}\x1b[0m"


def _tinted(text: str, power: str) -> str:
    return f'<tspan fill="{_POWER[power].fill}">{text}</tspan>'


def _below(
    spots: Sequence[_Spot], width: int, plain: bool, paint: Callable[[str, str], str]
) -> list[str]:
    """What stands below the tables: a legend of what is in them, with the signs in their colours, and the summary."""
    powers, flags = {spot.power for spot in spots}, {flag for spot in spots for flag in spot.flags}
    items = [f"{look.signs[plain]} {power}" for power, look in _POWER.items() if power in powers]
    items += [f"{signs[plain]} {flag}" for flag, signs in _FLAGS.items() if flag in flags]
    lines = _wrapped("  ".join(["latest/older model:", *items]), "  ", width) if items else []
    for power, look in _POWER.items():
        lines = [line.replace(look.signs[0], paint(look.signs[0], power)) for line in lines]
    return lines + _wrapped(_summary(spots), ", ", width)


def _wrapped(text: str, between: str, width: int) -> list[str]:
    """A text in lines, broken between its items alone."""
    text = text.replace(between, "\n").replace(" ", "\xa0").replace("\n", between)
    return [line.replace("\xa0", " ") for line in _folded(text, width)]


def _folded(text: str, width: int) -> list[str]:
    import textwrap  # here and not above: who draws nothing need not load it

    return textwrap.wrap(text, width, break_on_hyphens=False)


def _summary(spots: Sequence[_Spot]) -> str:
    counts = Counter(
        [spot.power for spot in spots] + [flag for spot in spots for flag in spot.flags]
    )
    told = [f"{counts[each]} {each}" for each in (*_POWER, *_FLAGS) if counts[each]]
    return ", ".join(
        [
            plural(len(spots), "instance"),
            f"{sum(spot.latest for spot in spots)} on the latest model",
            *told,
        ]
    )


def _fit(
    most: Mapping[str, int], slot: float, char: float, apart: float, room: float
) -> tuple[int, dict[str, float]]:
    """How many instances may stand abreast in a cell, and how wide that makes each column."""

    def widths(abreast: int) -> dict[str, float]:
        return {
            each: max((len(each) + 1) * char, min(abreast, n) * slot) + apart
            for each, n in most.items()
        }

    abreast = 1
    while abreast < max(most.values()) and sum(widths(abreast + 1).values()) <= room:
        abreast += 1
    return abreast, widths(abreast)


def _table(block: _Block, width: int, plain: bool) -> Iterator[str]:
    """A block as lines of text; columns that do not fit beside the others follow below them."""
    yield from _folded(block.title, width)
    bar, dash, cross = _LINES[plain]
    label = max(map(len, block.rows)) + 1
    slot = max(len(spot.label(plain)) for cell in block.cells.values() for spot in cell) + 1
    for band, columns in enumerate(_bands(block.columns, slot, width - label)):
        most = block.most(columns)
        abreast, widths = _fit(most, slot, 1, 2, width - label)
        rule = dash * label + "".join(cross + dash * (int(widths[each]) - 1) for each in columns)
        heads = (f"{bar} {each}".ljust(int(widths[each])) for each in columns)
        yield ("\n" if band else "") + (" " * label + "".join(heads)).rstrip()
        for number, row in enumerate(block.rows):
            if number == 0 or abreast < max(most.values()):
                yield rule
            for place, parts in enumerate(block.lines(row, columns, abreast)):
                cells = (
                    _cell(part, slot, wide, plain)
                    for part, wide in zip(parts, widths.values(), strict=True)
                )
                yield ("" if place else row).ljust(label) + bar + bar.join(cells).rstrip()


def _bands(columns: Iterable[str], slot: int, room: int) -> list[list[str]]:
    """Columns in groups that fit side by side when their cells are as narrow as can be."""
    bands: list[list[str]] = [[]]
    for column in columns:
        if bands[-1] and sum(max(len(each) + 1, slot) + 2 for each in [*bands[-1], column]) > room:
            bands.append([])
        bands[-1].append(column)
    return bands


def _cell(spots: Sequence[_Spot], slot: int, width: float, plain: bool) -> str:
    text = " "
    for spot in spots:
        label = spot.label(plain)
        text += (label if plain else _coloured(label, spot.power, bool(spot.flags))) + " " * (
            slot - len(label)
        )
    return text + " " * (int(width) - 2 - slot * len(spots))


def _draw(drawn: list[str], block: _Block, top: float) -> tuple[float, float]:
    """Draws a block; returns how wide it is and where it ends."""
    label = (max(map(len, block.rows)) + 2) * _CHAR
    tile = (
        max(len(spot.label(False)) for cell in block.cells.values() for spot in cell) * _CHAR + 10
    )
    abreast, widths = _fit(block.most(block.columns), tile + _GAP, _CHAR, _APART, _WIDE - label)
    wide = label + sum(widths.values()) - _APART
    lefts = [label + sum(list(widths.values())[:place]) for place in range(len(widths))]
    if block.title:
        top += 22
        drawn.append(_text(0, top, _escaped(block.title)))
    drawn += [
        _text(left, top + 16, _escaped(column))
        for left, column in zip(lefts, block.columns, strict=True)
    ]
    top += 22
    for row in block.rows:
        drawn.append(f'<path d="M0 {top:.0f}h{wide:.0f}" stroke="currentColor" opacity=".3"/>')
        drawn.append(_text(0, top + 20, _escaped(row)))
        for parts in block.lines(row, block.columns, abreast):
            for left, part in zip(lefts, parts, strict=True):
                drawn += [
                    _tile(spot, left + at * (tile + _GAP), top + 6, tile)
                    for at, spot in enumerate(part)
                ]
            top += _HIGH + _GAP
        top += 8
    return wide, top


def _tile(spot: _Spot, x: float, y: float, wide: float) -> str:
    colour = _POWER[spot.power].fill
    fill, ink = (colour, "#fff") if spot.latest else ("none", "currentColor")
    weight = ' font-weight="bold"' if spot.flags else ""
    return (
        f'<g data-instance="{_escaped(spot.id)}"><title>{_escaped(spot.title)}</title>'
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{_HIGH}" rx="4" fill="{fill}" stroke="{colour}" '
        f'stroke-width="2" pointer-events="all"/><text x="{x + wide / 2:.1f}" y="{y + 14:.1f}" fill="{ink}" '
        f'text-anchor="middle"{weight}>{_escaped(spot.label(False))}</text></g>'
    )


def _escaped(text: str) -> str:
    import html  # here and not above: its list of entities is a good part of what importing us costs

    return html.escape(text)


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}">{text}</text>'
