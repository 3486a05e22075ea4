"""The heat map of a scale set: the place and the sign of each instance, on each kind of output."""

from __future__ import annotations

import itertools
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.heatmap import (
    IMAGE,
    STATES,
    SVG,
    Terminal,
    drawn_instances,
    instance,
    spread,
    without_colours,
)

from azurerm_lite.heatmap import STYLES, Heatmap, heatmap

SIGNS = "●○▲△▼▽■□◆◇▬▭★☆"


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each test with 80 columns, no terminal, and no settings of this machine."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stdout", Terminal(tty=False))


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function for the test that makes standard output a terminal."""

    def become(encoding: str | None = "utf-8", tty: bool = True) -> None:
        monkeypatch.setattr(sys, "stdout", Terminal(encoding, tty))

    return become


def table(heat_map: Heatmap | str) -> list[list[str]]:
    """Return the lines of the first table, each split into its cells, without rules."""
    lines = without_colours(str(heat_map)).split("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in re.split(r"[|│]", line)] for line in lines]
    return [row for row in rows if len(row) > 1]


def shown_ids(text: str) -> list[str]:
    """Return the ids in the tables of a text, in order."""
    tables, _, _ = without_colours(text).partition("latest/older")
    marked = re.compile(rf"(?:[*{SIGNS}-]|[SPXGDU]:?|[spxgdu]:?)(\w[\w.-]*)[~!+↻✗✚]*")
    cells = [
        part
        for line in tables.splitlines()
        for cell in re.split(r"[|│]", line)[1:]
        for part in cell.split()
    ]
    heads = ("UD", "FD", "zone", "unknown")
    return [found[1] for part in cells if part not in heads and (found := marked.fullmatch(part))]


def test_rows_are_update_domains_and_columns_fault_domains() -> None:
    """In a set of 5 by 5 domains, each instance is in the cell of its two domains."""
    rows = table(heatmap(spread(25)))
    assert rows[0] == ["", "FD 0", "FD 1", "FD 2", "FD 3", "FD 4"]
    assert rows[1] == ["UD 0", "*0", "*5", "*10", "*15", "*20"]
    assert [row[0] for row in rows[1:]] == ["UD 0", "UD 1", "UD 2", "UD 3", "UD 4"]
    assert rows[5][5] == "*24"


def test_a_cell_holds_its_instances_in_numeric_order() -> None:
    """Ids are sorted as numbers, in any order of the input."""
    assert table(heatmap([instance(number) for number in (10, 9, 100, 2)]))[1] == [
        "UD 0",
        "*2   *9   *10  *100",
    ]


def test_zones_are_the_columns_without_fault_domains() -> None:
    """A zonal set without fault domains has one column per zone."""
    rows = table(
        heatmap([instance(number, 0, None, zone=str(number % 3 + 1)) for number in range(6)])
    )
    assert rows == [["", "zone 1", "zone 2", "zone 3"], ["UD 0", "*0 *3", "*1 *4", "*2 *5"]]


def test_fault_domains_win_over_zones() -> None:
    """With both, the columns are fault domains; an instance without one is in unknown."""
    found = [instance(1, 0, 3, zone="1"), instance(2, 0, None, zone="2")]
    assert table(heatmap(found))[0] == ["", "FD 3", "FD unknown"]


def test_one_fault_domain_is_one_column() -> None:
    """A set with max spreading has one column and one row per update domain."""
    rows = table(heatmap([instance(number, number % 2, 1) for number in range(4)]))
    assert rows == [["", "FD 1"], ["UD 0", "*0 *2"], ["UD 1", "*1 *3"]]


def test_instances_without_domains_are_under_unknown() -> None:
    """They have their own row and column, the last ones."""
    rows = table(
        heatmap(
            [instance(1, None, 2), instance(2, 3, None), instance(3, None, None), instance(4, 3, 2)]
        )
    )
    assert rows[0] == ["", "FD 2", "FD unknown"]
    assert rows[1:] == [["UD 3", "*4", "*2"], ["UD unknown", "*1", "*3"]]


@pytest.mark.parametrize(
    "view", [None, {}, {"statuses": None, "vmHealth": None, "platformUpdateDomain": None}]
)
def test_instances_without_an_instance_view_are_shown(view: Any) -> None:
    """State and domains are unknown, which is not an error."""
    heat_map = heatmap([instance(7, instanceView=view), instance("web_8", instanceView=view)])
    assert table(heat_map) == [["", "FD unknown"], ["UD unknown", "U7      U:web_8"]]
    assert "update domain unknown" in heat_map.to_svg()


def test_no_instance_view_at_all() -> None:
    """Instances that were listed without views are shown_ids as well."""
    listed = {"id": "/x", "name": "web_1", "instanceId": "1", "properties": {}}
    heat_map = heatmap([listed])  # type: ignore[list-item]
    assert table(heat_map)[1] == ["UD unknown", "u1"]
    assert len(drawn_instances(heat_map)) == 1


def test_placement_groups_are_tables_of_their_own() -> None:
    """Several groups have tables with titles; instances without a group come last."""
    heat_map = heatmap([instance(1, group="b"), instance(2, group="a"), instance(3, group=None)])
    parts = str(heat_map).split("\n\n")
    assert [part.splitlines()[0] for part in parts[:3]] == [
        f"Placement group {each}" for each in ("a", "b", "unknown")
    ]
    assert [shown_ids(part) for part in parts[:3]] == [["2"], ["1"], ["3"]]
    assert "Placement group a<" in heat_map.to_svg()


def test_a_single_placement_group_has_no_title() -> None:
    """One group is one table, including deallocated instances, which have no group."""
    heat_map = heatmap([instance(1), instance(2, group=None, power="deallocated")])
    assert "Placement group" not in str(heat_map) + heat_map.to_svg()
    assert table(heat_map)[1] == ["UD 0", "*1 D2"]


def test_an_empty_set_is_a_summary_of_one_line() -> None:
    """It has a summary and a valid SVG."""
    heat_map = heatmap([])
    assert str(heat_map) == "0 instances, 0 on the latest model"
    assert ET.fromstring(heat_map.to_svg()).get("aria-label") == str(heat_map)


@pytest.mark.parametrize("power", STATES)
@pytest.mark.parametrize("latest", [True, False])
def test_each_power_state_has_its_sign(
    power: str, latest: bool, output: Callable[..., None]
) -> None:
    """The sign shows power state and model, in Unicode and in ASCII; the legend explains it."""
    heat_map = heatmap([instance(4, power=power, latestModelApplied=latest)])
    signs = STATES[power]
    assert table(heat_map)[1][1] == f"{signs[3 - latest]}4"
    assert f"{signs[2]}/{signs[3]} {power}" in str(heat_map)
    output()
    assert table(heat_map)[1][1] == f"{signs[1 - latest]}4"
    assert f"{signs[0]}/{signs[1]} {power}" in without_colours(str(heat_map))


def test_each_power_state_has_its_colour(output: Callable[..., None]) -> None:
    """Power states have different colours, in a terminal and in the SVG."""
    output()
    heat_map = heatmap(
        [instance(number, number, power=power) for number, power in enumerate(STATES)]
    )
    colours = re.findall(r"\x1b\[38;5;(\d+)m\S\d", str(heat_map))
    fills = [group[1].get("fill") for group in drawn_instances(heat_map)]
    assert (len(colours), len(set(colours))) == (7, 7)
    assert (len(fills), len(set(fills))) == (7, 7)


@pytest.mark.parametrize("power", ["hibernated", None])
def test_a_power_state_that_azure_adds_is_shown_as_unknown(power: str | None) -> None:
    """A new state has the style of unknown, and its name in the tooltip."""
    heat_map = heatmap([instance(4, power=power)])
    assert table(heat_map)[1][1] == "U4"
    assert f"power {power or 'unknown'}" in heat_map.to_svg()


@pytest.mark.parametrize(
    ("values", "plain", "mark"),
    [
        ({"provisioningState": "Updating"}, "~", "↻"),
        ({"provisioningState": "Creating"}, "~", "↻"),
        ({"provisioningState": "Failed"}, "!", "✗"),
        ({"provisioningState": "Canceled"}, "!", "✗"),
        ({"health": "unhealthy"}, "+", "✚"),
        ({"health": "unknown"}, "+", "✚"),
        ({"provisioningState": "Failed", "health": "unhealthy"}, "!+", "✗✚"),
        ({"health": "healthy"}, "", ""),
        ({"health": "unhealthy", "power": "deallocated"}, "", ""),
        ({"provisioningState": None}, "", ""),
    ],
)
def test_flags_have_signs_for_updating_failed_and_unhealthy(
    values: dict[str, Any], plain: str, mark: str, output: Callable[..., None]
) -> None:
    """A sign follows the id, in addition to the colour; powered-off instances have no health."""
    heat_map = heatmap([instance(4, **values)])
    assert table(heat_map)[1][1][1:] == f"4{plain}"
    output()
    assert table(heat_map)[1][1][1:] == f"4{mark}"
    assert "".join(drawn_instances(heat_map)[0][2].itertext())[1:] == f"4{mark}"


def test_the_status_in_the_view_replaces_a_missing_provisioning_state() -> None:
    """With or without an error code."""
    statuses = [
        {"code": "ProvisioningState/failed/AllocationFailed"},
        {"code": "PowerState/running"},
    ]
    heat_map = heatmap([instance(4, provisioningState=None, instanceView={"statuses": statuses})])
    assert table(heat_map)[1][1] == "*4!"


FLAT = """\
     | FD 0 | FD 1
-----+------+------
UD 0 | *1   |
UD 1 |      | -2

latest/older model:  */- running
2 instances, 1 on the latest model, 2 running"""

TALL = """\
     │ FD 0  │ FD 1
─────┼───────┼──────
UD 0 │ ●1 ●2 │ ●9
     │ ●3    │
─────┼───────┼──────
UD 1 │       │ ○4

latest/older model:
●/○ running
5 instances,
4 on the latest model,
5 running"""


def test_the_text_as_a_whole(output: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of one line have no rules between them; rows of several lines have."""
    last = instance(4, 1, 1, latestModelApplied=False)
    assert str(heatmap([instance(1), instance(2, 1, 1, latestModelApplied=False)])) == FLAT
    monkeypatch.setenv("COLUMNS", "23")
    output()
    assert (
        without_colours(str(heatmap([*map(instance, (1, 2, 3)), instance(9, 0, 1), last]))) == TALL
    )


def test_the_legend_explains_only_used_signs() -> None:
    """Signs without an instance are not in the legend."""
    heat_map = heatmap([instance(1), instance(2, power="stopped", provisioningState="Updating")])
    legend = str(heat_map).splitlines()[-2]
    assert legend == "latest/older model:  */- running  X/x stopped  ~ updating"


def test_the_summary_counts() -> None:
    """The last line, also the label of the SVG, counts models, states and flags."""
    found = [
        *spread(3),
        instance(7, latestModelApplied=False, power="stopped", provisioningState="Failed"),
    ]
    summary = "4 instances, 3 on the latest model, 3 running, 1 stopped, 1 failed"
    assert str(heatmap(found)).splitlines()[-1] == summary
    assert ET.fromstring(heatmap(found).to_svg()).get("aria-label") == summary
    assert repr(heatmap(found)) == "<Heatmap of 4 instances: print it>"


def test_a_terminal_gets_colours_and_flagged_instances_in_bold(output: Callable[..., None]) -> None:
    """Each instance has a colour, and is bold if it has a flag with a sign."""
    output()
    text = str(heatmap([instance(1), instance(2, provisioningState="Failed")]))
    assert "\x1b[38;5;34m●1\x1b[0m" in text
    assert "\x1b[1;38;5;34m●2✗\x1b[0m" in text


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "no-such-encoding", None])
def test_an_encoding_without_the_signs_gets_ascii(
    encoding: str | None, output: Callable[..., None]
) -> None:
    """For a terminal that cannot show the signs."""
    output(encoding)
    assert str(heatmap(spread(3))).isascii()
    assert "\x1b" not in str(heatmap(spread(3)))


NO_COLOUR = [
    ("NO_COLOR", "1"),
    *(("TERM", name) for name in ("dumb", "vt100", "vt220", "ansi", "linux")),
]


@pytest.mark.parametrize(("name", "value"), NO_COLOUR)
def test_no_color_and_simple_terminals_get_plain_ascii(
    name: str, value: str, output: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With NO_COLOR, and on a terminal without 256 colours."""
    output()
    heat_map = heatmap(spread(3))
    assert "\x1b" in str(heat_map)
    monkeypatch.setenv(name, value)
    assert str(heat_map).isascii()
    assert "\x1b" not in str(heat_map)


@pytest.mark.parametrize(
    "term", ["xterm", "xterm-256color", "screen", "tmux-256color", "xterm-kitty", "alacritty"]
)
def test_common_terminals_get_colours(
    term: str, output: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most terminals have 256 colours; an empty NO_COLOR has no effect."""
    output()
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("NO_COLOR", "")
    assert "\x1b[38;5;34m●0\x1b[0m" in str(heatmap(spread(3)))


def test_colours_can_be_forced(
    output: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With FORCE_COLOR a pipe gets colours if its encoding has the signs; NO_COLOR overrides it."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    heat_map = heatmap(spread(3))
    output(tty=False)
    assert "\x1b" in str(heat_map)
    output("ascii", tty=False)
    assert "\x1b" not in str(heat_map)
    output()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in str(heat_map)


@pytest.mark.parametrize(
    ("name", "plain"),
    [("WT_SESSION", False), ("TERM_PROGRAM", False), ("FORCE_COLOR", False), ("OTHER", True)],
)
def test_the_old_console_of_windows_gets_ascii(
    name: str, plain: bool, output: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows, only terminals that are known to show colours get them."""
    output()
    heat_map = heatmap(spread(3))
    with monkeypatch.context() as patch:
        patch.setattr("os.environ", {"COLUMNS": "80", name: "1"})
        patch.setattr("os.name", "nt")
        text = str(heat_map)
    assert text.isascii() == plain


@pytest.mark.parametrize("stdout", [None, object()])
def test_without_a_standard_output_text_is_plain(
    stdout: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a program without standard output (pythonw), or with another object in its place."""
    monkeypatch.setattr(sys, "stdout", stdout)
    assert "*2" in str(heatmap(spread(3)))


def test_plain_text_is_ascii_whatever_the_names() -> None:
    """A name that is not ASCII can be printed to an ASCII stream."""
    assert str(heatmap([instance("wéb_1", group="größe"), instance(2, group="b")])).isascii()


@pytest.mark.parametrize("width", [24, 40, 79, 80, 120, 200])
@pytest.mark.parametrize("size", [1, 25, 260])
def test_no_line_is_wider_than_the_terminal(
    width: int, size: int, output: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cells are wrapped, wide columns follow below, legend and summary are wrapped."""
    found = spread(size, provisioningState="Updating", health="unhealthy")
    monkeypatch.setenv("COLUMNS", str(width))
    for tty in (True, False):
        output(tty=tty)
        text = without_colours(str(heatmap(found)))
        assert max(map(len, text.splitlines())) < width
        assert sorted(map(int, shown_ids(text))) == list(range(size))


def test_columns_that_do_not_fit_follow_below() -> None:
    """Long names in many columns make several groups of columns, each with its headings."""
    found = [instance(f"web_{'x' * 20}{number}", 0, number) for number in range(5)]
    bands = str(heatmap(found)).split("\n\n")[:-1]
    heads = [re.findall(r"FD \d", band) for band in bands]
    assert heads == [["FD 0", "FD 1"], ["FD 2", "FD 3"], ["FD 4"]]
    assert shown_ids(str(heatmap(found))) == [each["instanceId"] for each in found]


@pytest.mark.parametrize(("width", "lines"), [(88, 1), (87, 2), (28, 4), (27, 5)])
def test_the_whole_width_is_used(width: int, lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell uses the available width: 20 instances of 4 characters and a frame of 7."""
    monkeypatch.setenv("COLUMNS", str(width))
    assert len(table(heatmap([instance(number) for number in range(10, 30)]))) == lines + 1


@pytest.mark.parametrize(("width", "bands"), [(39, 1), (38, 2)])
def test_columns_are_next_to_each_other_as_long_as_they_fit(
    width: int, bands: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three columns of 38 characters in total fit into 39, and not into 38."""
    monkeypatch.setenv("COLUMNS", str(width))
    text = str(heatmap([instance(f"web_{number:03}", 0, number) for number in range(3)]))
    assert len(text.split("\n\n")) == bands + 1


def test_a_thousand_instances_are_all_drawn() -> None:
    """Each is once in the text and once in the SVG."""
    heat_map = heatmap(spread(1000))
    assert sorted(map(int, shown_ids(str(heat_map)))) == list(range(1000))
    assert heat_map.to_svg().count("<g ") == 1000


def test_each_instance_is_in_the_svg_once_with_its_tooltip() -> None:
    """It is a group whose title has id, states, domains and image."""
    groups = drawn_instances(
        heatmap(spread(40, latestModelApplied=False, health="healthy", zone="2"))
    )
    assert sorted(int(str(group.get("data-instance"))) for group in groups) == list(range(40))
    title = next(str(group[0].text) for group in groups if group.get("data-instance") == "7")
    assert title.splitlines() == [
        "web_7 (instance 7)",
        "power running, provisioning succeeded, health healthy",
        "image 22.4.1, not the latest model",
        "update domain 2",
        "fault domain 1",
        "zone 2",
    ]


def test_tiles_do_not_overlap_and_are_inside_the_svg() -> None:
    """None exceeds the edge of the SVG."""
    heat_map = heatmap(
        [*spread(200), *(instance(f"web_{n}", None, n % 2, group="b") for n in range(9))]
    )
    svg = ET.fromstring(heat_map.to_svg())
    boxes = [
        [float(group[1].attrib[each]) for each in ("x", "y", "width", "height")]
        for group in drawn_instances(heat_map)
    ]
    assert all(x >= 0 and x + w < float(svg.attrib["width"]) - 4 for x, _, w, _ in boxes)
    assert all(y >= 0 and y + h < float(svg.attrib["height"]) for _, y, _, h in boxes)
    assert not any(
        a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]
        for number, a in enumerate(boxes)
        for b in boxes[:number]
    )


def test_the_svg_has_the_words_of_the_text_in_their_places() -> None:
    """Headings are above and next to their tiles; legend and summary are inside the SVG."""
    found = [
        instance(1, 0, 0),
        instance(2, 1, 1),
        instance("web_3", 1, 1),
        instance(4, 0, 0, group="h"),
    ]
    heat_map = heatmap(found)
    svg = ET.fromstring(heat_map.to_svg())
    texts = [
        (*("".join(text.itertext()), float(text.attrib["x"]), float(text.attrib["y"])),)
        for text in svg.findall(f"{SVG}text")
    ]
    words = [
        "Placement group group-a",
        "FD 0",
        "FD 1",
        "UD 0",
        "UD 1",
        "Placement group h",
        "FD 0",
        "UD 0",
    ]
    below = ["latest/older model:\xa0 ●/○ running", "4 instances, 4 on the latest model, 4 running"]
    assert [word for word, _, _ in texts] == words + below
    assert svg.attrib["viewBox"] == f"-4 0 {svg.attrib['width']} {svg.attrib['height']}"
    assert all(x + 7 * len(word) < float(svg.attrib["width"]) - 8 for word, x, _ in texts)
    assert max(y for _, _, y in texts) < float(svg.attrib["height"])
    assert len(svg.findall(f"{SVG}path")) == 3
    place = {group.get("data-instance"): group for group in svg.iter(f"{SVG}g")}
    (_, left, head), (_, _, row) = texts[2], texts[4]
    for number in ("2", "web_3"):
        x, y, wide, high = (
            float(place[number][1].attrib[each]) for each in ("x", "y", "width", "height")
        )
        assert (x == left, y > head, y < row < y + high) == (number == "2", True, True)
        assert place[number][2].get("y") == str(row)
        assert float(place[number][2].attrib["x"]) == pytest.approx(x + wide / 2, abs=0.1)
        assert wide > 7 * len(f"●{number}")
    lines = [y for _, _, y in texts]
    assert all(
        later - earlier >= 16 or later == earlier for earlier, later in itertools.pairwise(lines)
    )


def test_a_long_legend_stays_inside_the_svg() -> None:
    """With every state and flag, legend and summary are wrapped at the SVG's width."""
    found = [
        instance(n, power=each, provisioningState="Failed", health="unhealthy")
        for n, each in enumerate(STATES)
    ]
    svg = ET.fromstring(heatmap(found).to_svg())
    texts = [
        ("".join(text.itertext()), float(text.attrib["x"])) for text in svg.findall(f"{SVG}text")
    ]
    assert all(x + 7.25 * len(word) <= float(svg.attrib["width"]) - 4 for word, x in texts)
    assert "latest/older model:" in texts[2][0]


def test_spaces_between_the_items_of_the_legend_are_kept() -> None:
    """Browsers collapse two spaces into one, so one of them is non-breaking."""
    svg = heatmap(spread(2)).to_svg()
    assert "latest/older model:\xa0 <tspan" in svg
    assert "  " not in svg


def test_outlined_tiles_are_not_on_the_latest_model() -> None:
    """A tile is filled for the latest model, and outlined in the same colour for any other."""
    new, old = drawn_instances(heatmap([instance(1), instance(2, latestModelApplied=False)]))
    assert new[1].get("fill") == new[1].get("stroke") == old[1].get("stroke")
    assert old[1].get("fill") == "none"
    assert (new[2].get("fill"), old[2].get("fill")) == ("#fff", "currentColor")


def test_tiles_with_a_flag_are_bold() -> None:
    """The text of a tile whose flag has a sign."""
    calm, failed = drawn_instances(heatmap([instance(1), instance(2, provisioningState="Failed")]))
    assert (calm[2].get("font-weight"), failed[2].get("font-weight")) == (None, "bold")


def test_the_svg_suits_light_and_dark_themes() -> None:
    """Text has the colour of the page or, in a separate file, of the reader's theme."""
    svg = heatmap(spread(2)).to_svg()
    assert 'fill="currentColor"' in svg
    assert "@media(prefers-color-scheme:dark){svg:root{color:#e6edf3}}" in svg


NASTY = '<b a="1">&\'</title>'


@pytest.mark.parametrize(
    "where", ["instanceId", "name", "zone", "group", "version", "state", "power"]
)
def test_names_are_escaped(where: str) -> None:
    """A name with HTML characters is plain text everywhere in the SVG."""
    found = [instance(1, 0, None, zone="1"), instance(2, 0, None, zone="1", group="z")]
    one: Any = found[0]
    reference = {"storageProfile": {"imageReference": {**IMAGE, "exactVersion": NASTY}}}
    changes: dict[str, Any] = {
        "zone": {"zones": [NASTY]},
        "instanceId": {where: NASTY},
        "name": {where: NASTY},
    }
    one.update(changes.get(where, {}))
    one["properties"].update(
        {"version": reference, "state": {"provisioningState": NASTY}}.get(where, {})
    )
    one["properties"]["instanceView"].update(
        {"placementGroupId": NASTY} if where == "group" else {}
    )
    if where == "power":
        one["properties"]["instanceView"]["statuses"] = [{"code": f"PowerState/{NASTY}"}]
    heat_map = heatmap(found)
    assert "<b" not in heat_map.to_html()
    assert len(drawn_instances(heat_map)) == 2
    assert NASTY in "".join(ET.fromstring(heat_map.to_svg()).itertext())


def test_control_characters_reach_neither_terminal_nor_xml(output: Callable[..., None]) -> None:
    """They are replaced by question marks."""
    output()
    heat_map = heatmap([instance("a\x1b[2Jb\x00", group="g\x07"), instance("\ud800", group="h\n")])
    assert "●a?[2Jb?" in without_colours(str(heat_map))
    assert [group.get("data-instance") for group in drawn_instances(heat_map)] == ["a?[2Jb?", "?"]
    assert str(heat_map).isprintable() is False  # with colours
    assert without_colours(str(heat_map)).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("storage", "expected"),
    [
        ({"imageReference": {**IMAGE, "exactVersion": "", "version": "9.9.9"}}, "image 9.9.9,"),
        (
            {"imageReference": {"id": "/subscriptions/S/galleries/G/images/I/versions/1.0.7"}},
            "image 1.0.7,",
        ),
        (
            {"osDisk": {"image": {"uri": "https://x.test/vhds/old.vhd?sig=canary"}}},
            "image old.vhd,",
        ),
        ({}, "image unknown,"),
    ],
)
def test_the_tooltip_names_the_image_of_every_kind(storage: dict[str, Any], expected: str) -> None:
    """A version, or the end of an id or URL, without the signature."""
    svg = heatmap([instance(1, storageProfile=storage)]).to_svg()
    assert expected in svg
    assert "canary" not in svg


def test_a_notebook_shows_the_svg() -> None:
    """A notebook gets HTML: the SVG in a scrollable box."""
    heat_map = heatmap(spread(3))
    assert heat_map._repr_html_() == heat_map.to_html()
    assert heat_map.to_svg() in heat_map.to_html()


def test_a_heat_map_is_a_snapshot() -> None:
    """Later changes of the instances do not change it, and it does not change them."""
    found = spread(3)
    heat_map = heatmap(iter(found))
    before = str(heat_map), heat_map.to_svg()
    found[0]["properties"]["latestModelApplied"] = False
    found.clear()
    assert (str(heat_map), heat_map.to_svg()) == before


def test_an_instance_that_was_listed_twice_is_shown_once() -> None:
    """Of overlapping pages, the later entry counts."""
    heat_map = heatmap([instance(1, power="stopping"), instance(2), instance(1, power="stopped")])
    assert table(heat_map)[1] == ["UD 0", "X1 *2"]
    assert len(drawn_instances(heat_map)) == 2


IDS = st.integers(0, 10**6).map(str) | st.from_regex(
    r"[A-Za-z][A-Za-z0-9_.-]{0,10}", fullmatch=True
)
INSTANCES = st.lists(
    st.builds(
        instance,
        IDS,
        st.none() | st.integers(0, 20),
        st.none() | st.integers(0, 6),
        power=st.none() | st.sampled_from([*STATES, "odd"]),
        group=st.none() | st.sampled_from(["a", "b"]),
        health=st.none() | st.sampled_from(["healthy", "unhealthy"]),
        zone=st.none() | st.sampled_from(["1", "2", "3"]),
        latestModelApplied=st.booleans(),
        provisioningState=st.sampled_from(["Succeeded", "Updating", "Failed"]),
    ),
    max_size=60,
    unique_by=lambda each: each["instanceId"],
)


@given(INSTANCES, st.integers(36, 220), st.booleans())
def test_every_instance_is_in_the_heat_map_exactly_once(
    found: list[Any], width: int, tty: bool
) -> None:
    """Each id is once in the text and once in the SVG, and no line is too wide."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        patch.setattr(sys, "stdout", Terminal(tty=tty))
        text = without_colours(str(heatmap(found)))
    ids = sorted(each["instanceId"] for each in found)
    assert sorted(shown_ids(text)) == ids
    assert (
        sorted(str(group.get("data-instance")) for group in drawn_instances(heatmap(found))) == ids
    )
    assert max(map(len, text.splitlines())) < width


# As data


def test_a_cell_has_the_state_of_its_instance() -> None:
    """States in lower case, domains as text, image version, flags and style."""
    found = instance(
        7, 3, 1, power="stopped", group="g", health="unhealthy", zone="2",
        provisioningState="Failed", latestModelApplied=False,
        protectionPolicy={"protectFromScaleIn": True},
    )  # fmt: skip
    (cell,) = heatmap([found]).cells
    assert cell._asdict() == {
        "instance_id": "7",
        "name": "web_7",
        "placement_group": "g",
        "update_domain": "3",
        "fault_domain": "1",
        "zone": "2",
        "power_state": "stopped",
        "provisioning_state": "failed",
        "health": "unhealthy",
        "image_version": "22.4.1",
        "flags": ("failed", "outdated", "protected"),
        "style": STYLES["stopped"],
    }
    assert not cell.has_latest_model
    assert (cell.label(), cell.label(ascii_only=True)) == ("□7✗", "x7!")


def test_a_cell_is_unknown_if_azure_reports_no_state() -> None:
    """For an instance without its view, and for one in a new state."""
    (new, bare_one) = heatmap(
        [instance(1, power="hibernated"), {"instanceId": "2", "properties": {}}]  # type: ignore[list-item]
    ).cells
    assert (new.power_state, new.style) == ("hibernated", STYLES["unknown"])
    assert (bare_one.update_domain, bare_one.fault_domain, bare_one.zone) == ("unknown",) * 3
    assert (bare_one.power_state, bare_one.provisioning_state) == ("unknown", "unknown")
    assert (bare_one.health, bare_one.image_version) == (None, "unknown")
    assert bare_one.flags == ("outdated",)


def test_tables_have_the_cells_by_row_and_column() -> None:
    """Domains ascending, ids in numeric order; each cell is in one place of one table."""
    heat_map = heatmap([instance(n, n % 2, n % 3, group="ab"[n % 2]) for n in range(24)])
    assert [cell.instance_id for cell in heat_map.cells] == [str(n) for n in range(24)]
    first, second = heat_map.tables
    assert (first.placement_group, first.title) == ("a", "Placement group a")
    assert (first.columns_are, first.rows, first.columns) == (
        "fault domain",
        ["0"],
        ["0", "1", "2"],
    )
    assert [cell.instance_id for cell in first.at("0", "1")] == ["4", "10", "16", "22"]
    assert first.at("1", "1") == []
    assert (first.row_heading("0"), first.column_heading("1")) == ("UD 0", "FD 1")
    assert sorted([*first.cells, *second.cells]) == sorted(heat_map.cells)
    assert all(first.column_of(cell) == cell.fault_domain for cell in first.cells)


def test_zones_are_the_columns_of_the_data_too() -> None:
    """If no instance has a fault domain."""
    (table,) = heatmap([instance(n, 0, None, zone=str(n)) for n in (2, 1)]).tables
    assert (table.columns_are, table.columns) == ("zone", ["1", "2"])
    assert table.column_heading("1") == "zone 1"


def test_a_heat_map_can_be_made_of_cells() -> None:
    """For example from some cells of another heat map."""
    whole = heatmap(spread(25))
    part = Heatmap(cell for cell in whole.cells if cell.update_domain == "2")
    assert [table.rows for table in part.tables] == [["2"]]
    assert repr(part) == "<Heatmap of 5 instances: print it>"
    assert Heatmap(()).tables == ()


def test_a_member_with_an_unknown_model_has_its_own_sign() -> None:
    """It counts neither as current nor as outdated."""
    member = {
        "instanceId": "web_5fe1a11b",
        "name": "web_5fe1a11b",
        "properties": {"provisioningState": "Succeeded"},
    }
    drawn = heatmap([member])  # type: ignore[list-item]
    (cell,) = drawn.cells
    assert cell.flags == ("model unknown",)
    assert not cell.has_latest_model
    assert "0 on the latest model, 1 unknown, 1 model unknown" in str(drawn)
    assert "model unknown" in drawn.to_svg()
