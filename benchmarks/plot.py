"""SVG line plots with two logarithmic axes, without any library."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

_WIDTH = 760
_HEIGHT = 420
# The margins.
_LEFT = 60
_TOP = 30
_RIGHT = 190
_BOTTOM = 46
_COLOURS = ("#6e7781", "#0969da", "#1a7f37", "#bc4c00", "#8250df")
# Inherit the colour of the page; as a separate file, follow the reader's theme.
_STYLE = (
    "svg:root{color-scheme:light dark;color:#1f2328}"
    "@media(prefers-color-scheme:dark){svg:root{color:#e6edf3}}"
)


def lines(found: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str) -> str:
    """Return a line plot.

    Args:
        found: Points of each line, by its name.
        across: Label of the horizontal axis.
        up: Label of the vertical axis.

    Returns:
        An `<svg>` element as text.
    """
    xs = [math.log10(x) for points in found.values() for x, _ in points]
    ys = [math.log10(y) for points in found.values() for _, y in points]
    left = math.floor(min(xs))
    right = max(xs)
    low = math.floor(min(ys))
    high = math.ceil(max(ys))

    def place(x: float, y: float) -> tuple[float, float]:
        over = (math.log10(x) - left) / (right - left or 1) * (_WIDTH - _LEFT - _RIGHT)
        above = (math.log10(y) - low) / (high - low or 1) * (_HEIGHT - _TOP - _BOTTOM)
        return _LEFT + over, _HEIGHT - _BOTTOM - above

    drawn = [_text(_LEFT, _HEIGHT - 8, across), _text(4, 14, up)]
    for power in range(left, math.floor(right) + 1):
        x, y = place(10**power, 10**low)
        drawn += [_line(x, _TOP, x, y), _text(x, y + 18, f"{10**power:,}", "middle")]
    for power in range(low, high + 1):
        x, y = place(10**left, 10**power)
        drawn += [_line(x, y, _WIDTH - _RIGHT, y), _text(x - 6, y + 4, f"{10**power:g}", "end")]
    labels: list[float] = []
    coloured = zip(_COLOURS, found.items(), strict=False)
    for colour, (name, points) in sorted(coloured, key=lambda line: line[1][1][-1][1]):
        track = [place(*point) for point in points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in track)
        drawn.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in track]
        # Place labels from bottom to top, without overlaps.
        labels.append(min([track[-1][1] + 4, *(label - 15 for label in labels)]))
        drawn.append(_text(track[-1][0] + 8, labels[-1], name, colour=colour))
    label = f"{html.escape(up)} over {html.escape(across)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" fill="currentColor" font-family="sans-serif" '
        f'font-size="12" role="img" aria-label="{label}">'
        f"<style>{_STYLE}</style>{''.join(drawn)}</svg>\n"
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="currentColor" opacity=".2"/>'


def _text(
    x: float, y: float, text: str, anchor: str = "start", colour: str = "currentColor"
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}">{html.escape(text)}</text>'
