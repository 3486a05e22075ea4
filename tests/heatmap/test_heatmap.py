"""The picture of a scale set: what stands where, by which sign, on which output."""

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
from support.heatmap import IMAGE, STATES, SVG, Terminal, bare, drawn, instance, spread

from azurerm_lite.heatmap import Heatmap, heatmap

SIGNS = "●○▲△▼▽■□◆◇▬▭★☆"


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test starts at a width of 80, without a terminal, and without what the machine says about one."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stdout", Terminal(tty=False))


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes standard output a terminal; called inside the test, as pytest sets its own after the fixtures."""

    def become(encoding: str | None = "utf-8", tty: bool = True) -> None:
        monkeypatch.setattr(sys, "stdout", Terminal(encoding, tty))

    return become


def table(picture: Heatmap | str) -> list[list[str]]:
    """The lines of the first table, each split into its cells; rules left out."""
    lines = bare(str(picture)).split("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in re.split(r"[|│]", line)] for line in lines]
    return [row for row in rows if len(row) > 1]


def shown(text: str) -> list[str]:
    """The ids in the tables of a text, in the order in which they stand there."""
    tables, _, _ = bare(text).partition("latest/older")
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
    """In a set of 5 by 5, each instance stands where its two domains cross."""
    rows = table(heatmap(spread(25)))
    assert rows[0] == ["", "FD 0", "FD 1", "FD 2", "FD 3", "FD 4"]
    assert rows[1] == ["UD 0", "*0", "*5", "*10", "*15", "*20"]
    assert [row[0] for row in rows[1:]] == ["UD 0", "UD 1", "UD 2", "UD 3", "UD 4"]
    assert rows[5][5] == "*24"


def test_a_cell_holds_its_instances_in_numeric_order() -> None:
    """Ids are ordered as numbers, whatever the order in which they came."""
    assert table(heatmap([instance(number) for number in (10, 9, 100, 2)]))[1] == [
        "UD 0",
        "*2   *9   *10  *100",
    ]


def test_zones_are_the_columns_where_there_are_no_fault_domains() -> None:
    """A zonal set without fault domains has a column per zone."""
    rows = table(
        heatmap([instance(number, 0, None, zone=str(number % 3 + 1)) for number in range(6)])
    )
    assert rows == [["", "zone 1", "zone 2", "zone 3"], ["UD 0", "*0 *3", "*1 *4", "*2 *5"]]


def test_fault_domains_win_over_zones() -> None:
    """Where instances have both, fault domains make the columns, and one without stands under unknown."""
    found = [instance(1, 0, 3, zone="1"), instance(2, 0, None, zone="2")]
    assert table(heatmap(found))[0] == ["", "FD 3", "FD unknown"]


def test_one_fault_domain_is_one_column() -> None:
    """A set with max spreading has one column, and is as tall as its update domains."""
    rows = table(heatmap([instance(number, number % 2, 1) for number in range(4)]))
    assert rows == [["", "FD 1"], ["UD 0", "*0 *2"], ["UD 1", "*1 *3"]]


def test_missing_domains_stand_under_unknown() -> None:
    """Instances without a domain have a row and a column of their own, the last."""
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
    """What Azure says nothing about is of unknown state in unknown domains, and no error."""
    picture = heatmap([instance(7, instanceView=view), instance("web_8", instanceView=view)])
    assert table(picture) == [["", "FD unknown"], ["UD unknown", "U7      U:web_8"]]
    assert "update domain unknown" in picture.to_svg()


def test_no_instance_view_at_all() -> None:
    """Instances that were listed without their views are shown too."""
    listed = {"id": "/x", "name": "web_1", "instanceId": "1", "properties": {}}
    picture = heatmap([listed])  # type: ignore[list-item]
    assert table(picture)[1] == ["UD unknown", "u1"]
    assert len(drawn(picture)) == 1


def test_placement_groups_are_tables_of_their_own() -> None:
    """Several placement groups stand apart under their names, with the instances of none after them."""
    picture = heatmap([instance(1, group="b"), instance(2, group="a"), instance(3, group=None)])
    parts = str(picture).split("\n\n")
    assert [part.splitlines()[0] for part in parts[:3]] == [
        f"Placement group {each}" for each in ("a", "b", "unknown")
    ]
    assert [shown(part) for part in parts[:3]] == [["2"], ["1"], ["3"]]
    assert "Placement group a<" in picture.to_svg()


def test_a_single_placement_group_goes_without_saying() -> None:
    """One group is one table, which takes in deallocated instances that are in none."""
    picture = heatmap([instance(1), instance(2, group=None, power="deallocated")])
    assert "Placement group" not in str(picture) + picture.to_svg()
    assert table(picture)[1] == ["UD 0", "*1 D2"]


def test_an_empty_set_is_a_line() -> None:
    """A set of no instances has a summary and a valid SVG."""
    picture = heatmap([])
    assert str(picture) == "0 instances, 0 on the latest model"
    assert ET.fromstring(picture.to_svg()).get("aria-label") == str(picture)


@pytest.mark.parametrize("power", STATES)
@pytest.mark.parametrize("latest", [True, False])
def test_each_power_state_has_its_sign(
    power: str, latest: bool, output: Callable[..., None]
) -> None:
    """The sign tells power state and model, in Unicode and in ASCII, and the legend explains it."""
    picture = heatmap([instance(4, power=power, latestModelApplied=latest)])
    signs = STATES[power]
    assert table(picture)[1][1] == f"{signs[3 - latest]}4"
    assert f"{signs[2]}/{signs[3]} {power}" in str(picture)
    output()
    assert table(picture)[1][1] == f"{signs[1 - latest]}4"
    assert f"{signs[0]}/{signs[1]} {power}" in bare(str(picture))


def test_each_power_state_has_its_colour(output: Callable[..., None]) -> None:
    """No two power states share a colour, in a terminal or in the SVG."""
    output()
    picture = heatmap(
        [instance(number, number, power=power) for number, power in enumerate(STATES)]
    )
    colours = re.findall(r"\x1b\[38;5;(\d+)m\S\d", str(picture))
    fills = [group[1].get("fill") for group in drawn(picture)]
    assert (len(colours), len(set(colours))) == (7, 7)
    assert (len(fills), len(set(fills))) == (7, 7)


@pytest.mark.parametrize("power", ["hibernated", None])
def test_a_power_state_that_nobody_knows_is_unknown(power: str | None) -> None:
    """A state that Azure adds tomorrow is shown as unknown, and named in the tooltip."""
    picture = heatmap([instance(4, power=power)])
    assert table(picture)[1][1] == "U4"
    assert f"power {power or 'unknown'}" in picture.to_svg()


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
def test_marks_say_updating_failed_and_unhealthy(
    values: dict[str, Any], plain: str, mark: str, output: Callable[..., None]
) -> None:
    """A mark follows the id, so that colour is never the only sign; one switched off cannot report health."""
    picture = heatmap([instance(4, **values)])
    assert table(picture)[1][1][1:] == f"4{plain}"
    output()
    assert table(picture)[1][1][1:] == f"4{mark}"
    assert "".join(drawn(picture)[0][2].itertext())[1:] == f"4{mark}"


def test_the_state_of_the_view_stands_in_for_a_missing_one() -> None:
    """Without a provisioning state of its own, an instance is as its instance view says, error code or not."""
    statuses = [
        {"code": "ProvisioningState/failed/AllocationFailed"},
        {"code": "PowerState/running"},
    ]
    picture = heatmap([instance(4, provisioningState=None, instanceView={"statuses": statuses})])
    assert table(picture)[1][1] == "*4!"


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
    """What it looks like: flat rows stand close together, rows of several lines are set apart by rules."""
    last = instance(4, 1, 1, latestModelApplied=False)
    assert str(heatmap([instance(1), instance(2, 1, 1, latestModelApplied=False)])) == FLAT
    monkeypatch.setenv("COLUMNS", "23")
    output()
    assert bare(str(heatmap([*map(instance, (1, 2, 3)), instance(9, 0, 1), last]))) == TALL


def test_the_legend_explains_what_is_there_and_no_more() -> None:
    """Signs that the tables hold are in the legend, others are not."""
    picture = heatmap([instance(1), instance(2, power="stopped", provisioningState="Updating")])
    legend = str(picture).splitlines()[-2]
    assert legend == "latest/older model:  */- running  X/x stopped  ~ updating"


def test_the_summary_counts() -> None:
    """The last line counts instances, models, states and marks, which the SVG says to a screen reader."""
    found = [
        *spread(3),
        instance(7, latestModelApplied=False, power="stopped", provisioningState="Failed"),
    ]
    told = "4 instances, 3 on the latest model, 3 running, 1 stopped, 1 failed"
    assert str(heatmap(found)).splitlines()[-1] == told
    assert ET.fromstring(heatmap(found).to_svg()).get("aria-label") == told
    assert repr(heatmap(found)) == "<Heatmap of 4 instances: print it>"


def test_a_terminal_gets_colours_and_marks_in_bold(output: Callable[..., None]) -> None:
    """On a terminal an instance is coloured, and bold where something is up."""
    output()
    text = str(heatmap([instance(1), instance(2, provisioningState="Failed")]))
    assert "\x1b[38;5;34m●1\x1b[0m" in text
    assert "\x1b[1;38;5;34m●2✗\x1b[0m" in text


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "no-such-encoding", None])
def test_an_encoding_without_our_signs_gets_ascii(
    encoding: str | None, output: Callable[..., None]
) -> None:
    """A terminal that cannot show the signs gets plain ASCII."""
    output(encoding)
    assert str(heatmap(spread(3))).isascii()
    assert "\x1b" not in str(heatmap(spread(3)))


NO_COLOUR = [
    ("NO_COLOR", "1"),
    *(("TERM", name) for name in ("dumb", "vt100", "vt220", "ansi", "linux")),
]


@pytest.mark.parametrize(("name", "value"), NO_COLOUR)
def test_who_wants_no_colour_gets_none(
    name: str, value: str, output: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_COLOR and a terminal without 256 colours get plain ASCII."""
    output()
    picture = heatmap(spread(3))
    assert "\x1b" in str(picture)
    monkeypatch.setenv(name, value)
    assert str(picture).isascii()
    assert "\x1b" not in str(picture)


@pytest.mark.parametrize(
    "term", ["xterm", "xterm-256color", "screen", "tmux-256color", "xterm-kitty", "alacritty"]
)
def test_terminals_of_today_get_colours(
    term: str, output: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most terminals have 256 colours; an empty NO_COLOR asks for nothing."""
    output()
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("NO_COLOR", "")
    assert "\x1b[38;5;34m●0\x1b[0m" in str(heatmap(spread(3)))


def test_colours_can_be_forced(
    output: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """FORCE_COLOR brings colours into a pipe, if that can carry the signs; NO_COLOR is stronger."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    picture = heatmap(spread(3))
    output(tty=False)
    assert "\x1b" in str(picture)
    output("ascii", tty=False)
    assert "\x1b" not in str(picture)
    output()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in str(picture)


@pytest.mark.parametrize(
    ("name", "plain"),
    [("WT_SESSION", False), ("TERM_PROGRAM", False), ("FORCE_COLOR", False), ("OTHER", True)],
)
def test_the_old_console_of_windows_gets_ascii(
    name: str, plain: bool, output: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows, colours are for terminals that are known to show them."""
    output()
    picture = heatmap(spread(3))
    with monkeypatch.context() as patch:
        patch.setattr("os.environ", {"COLUMNS": "80", name: "1"})
        patch.setattr("os.name", "nt")
        text = str(picture)
    assert text.isascii() == plain


@pytest.mark.parametrize("stdout", [None, object()])
def test_without_a_standard_output_text_is_plain(
    stdout: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs without a standard output (pythonw), or with a makeshift one, can still make the text."""
    monkeypatch.setattr(sys, "stdout", stdout)
    assert "*2" in str(heatmap(spread(3)))


def test_plain_text_is_ascii_whatever_the_names() -> None:
    """A name that is not ASCII does not break a stream that is."""
    assert str(heatmap([instance("wéb_1", group="größe"), instance(2, group="b")])).isascii()


@pytest.mark.parametrize("width", [24, 40, 79, 80, 120, 200])
@pytest.mark.parametrize("size", [1, 25, 260])
def test_no_line_is_wider_than_the_terminal(
    width: int, size: int, output: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cells wrap, columns that still do not fit go below the others, and legend and summary are broken too."""
    found = spread(size, provisioningState="Updating", health="unhealthy")
    monkeypatch.setenv("COLUMNS", str(width))
    for tty in (True, False):
        output(tty=tty)
        text = bare(str(heatmap(found)))
        assert max(map(len, text.splitlines())) < width
        assert sorted(map(int, shown(text))) == list(range(size))


def test_columns_that_do_not_fit_follow_below() -> None:
    """Long names in many columns make several bands, each with its heads."""
    found = [instance(f"web_{'x' * 20}{number}", 0, number) for number in range(5)]
    bands = str(heatmap(found)).split("\n\n")[:-1]
    heads = [re.findall(r"FD \d", band) for band in bands]
    assert heads == [["FD 0", "FD 1"], ["FD 2", "FD 3"], ["FD 4"]]
    assert shown(str(heatmap(found))) == [each["instanceId"] for each in found]


@pytest.mark.parametrize(("width", "lines"), [(88, 1), (87, 2), (28, 4), (27, 5)])
def test_the_whole_width_is_used(width: int, lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell is as flat as the terminal allows: 20 instances of 4 characters in 87, beside 7 of frame, or less."""
    monkeypatch.setenv("COLUMNS", str(width))
    assert len(table(heatmap([instance(number) for number in range(10, 30)]))) == lines + 1


@pytest.mark.parametrize(("width", "bands"), [(39, 1), (38, 2)])
def test_columns_stand_side_by_side_as_long_as_they_fit(
    width: int, bands: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three columns that need 38 characters stand together in 39, of which the last stays free, and not in 38."""
    monkeypatch.setenv("COLUMNS", str(width))
    text = str(heatmap([instance(f"web_{number:03}", 0, number) for number in range(3)]))
    assert len(text.split("\n\n")) == bands + 1


def test_a_thousand_instances_are_whole() -> None:
    """Each of a thousand instances is there once, in the text and in the SVG."""
    picture = heatmap(spread(1000))
    assert sorted(map(int, shown(str(picture)))) == list(range(1000))
    assert picture.to_svg().count("<g ") == 1000


def test_each_instance_is_in_the_svg_once_with_its_tooltip() -> None:
    """The SVG is XML, in which each instance is a group with a title that says id, states, domains and image."""
    groups = drawn(heatmap(spread(40, latestModelApplied=False, health="healthy", zone="2")))
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


def test_tiles_stand_apart_and_inside_the_svg() -> None:
    """No two instances cover each other, and none reaches over the edge."""
    picture = heatmap(
        [*spread(200), *(instance(f"web_{n}", None, n % 2, group="b") for n in range(9))]
    )
    svg = ET.fromstring(picture.to_svg())
    boxes = [
        [float(group[1].attrib[each]) for each in ("x", "y", "width", "height")]
        for group in drawn(picture)
    ]
    assert all(x >= 0 and x + w < float(svg.attrib["width"]) - 4 for x, _, w, _ in boxes)
    assert all(y >= 0 and y + h < float(svg.attrib["height"]) for _, y, _, h in boxes)
    assert not any(
        a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]
        for number, a in enumerate(boxes)
        for b in boxes[:number]
    )


def test_the_svg_has_the_words_of_the_text_in_their_places() -> None:
    """Titles, heads, legend and summary are inside the SVG; heads stand above their tiles, rows' names beside them."""
    found = [
        instance(1, 0, 0),
        instance(2, 1, 1),
        instance("web_3", 1, 1),
        instance(4, 0, 0, group="h"),
    ]
    picture = heatmap(found)
    svg = ET.fromstring(picture.to_svg())
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
    assert sorted(y for _, _, y in texts)[-1] < float(svg.attrib["height"])
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
    """Where every state and mark is there, legend and summary are broken at the width of the SVG."""
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
    """Browsers make one of two spaces, and the items would run together: one of the two is not to be broken."""
    svg = heatmap(spread(2)).to_svg()
    assert "latest/older model:\xa0 <tspan" in svg
    assert "  " not in svg


def test_outlined_tiles_are_not_on_the_latest_model() -> None:
    """A tile is filled for the latest model, outlined in the same colour for any other."""
    new, old = drawn(heatmap([instance(1), instance(2, latestModelApplied=False)]))
    assert new[1].get("fill") == new[1].get("stroke") == old[1].get("stroke")
    assert old[1].get("fill") == "none"
    assert (new[2].get("fill"), old[2].get("fill")) == ("#fff", "currentColor")


def test_tiles_with_a_mark_are_bold() -> None:
    """Where something is up, the text of a tile is bold."""
    calm, failed = drawn(heatmap([instance(1), instance(2, provisioningState="Failed")]))
    assert (calm[2].get("font-weight"), failed[2].get("font-weight")) == (None, "bold")


def test_the_svg_suits_light_and_dark_themes() -> None:
    """Text has the colour of the page around it or, in a file of its own, of the reader's theme."""
    svg = heatmap(spread(2)).to_svg()
    assert 'fill="currentColor"' in svg
    assert "@media(prefers-color-scheme:dark){svg:root{color:#e6edf3}}" in svg


NASTY = '<b a="1">&\'</title>'


@pytest.mark.parametrize(
    "where", ["instanceId", "name", "zone", "group", "version", "state", "power"]
)
def test_names_are_escaped(where: str) -> None:
    """A name with characters of HTML is text in the SVG wherever it stands, and nothing more."""
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
    picture = heatmap(found)
    assert "<b" not in picture.to_html()
    assert len(drawn(picture)) == 2
    assert NASTY in "".join(ET.fromstring(picture.to_svg()).itertext())


def test_control_characters_reach_neither_terminal_nor_xml(output: Callable[..., None]) -> None:
    """What would steer a terminal or break XML is a question mark."""
    output()
    picture = heatmap([instance("a\x1b[2Jb\x00", group="g\x07"), instance("\ud800", group="h\n")])
    assert "●a?[2Jb?" in bare(str(picture))
    assert [group.get("data-instance") for group in drawn(picture)] == ["a?[2Jb?", "?"]
    assert str(picture).isprintable() is False  # colours are there
    assert bare(str(picture)).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("storage", "told"),
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
def test_the_tooltip_names_the_image_of_every_kind(storage: dict[str, Any], told: str) -> None:
    """A platform image by its version, others by the end of their id or URL, whose signature stays hidden."""
    svg = heatmap([instance(1, storageProfile=storage)]).to_svg()
    assert told in svg
    assert "canary" not in svg


def test_a_notebook_shows_the_svg() -> None:
    """What a notebook asks for is the HTML, which is the SVG in a box that scrolls."""
    picture = heatmap(spread(3))
    assert picture._repr_html_() == picture.to_html()
    assert picture.to_svg() in picture.to_html()


def test_the_picture_is_a_snapshot() -> None:
    """Instances that change later do not change a picture that was made, nor does the picture change them."""
    found = spread(3)
    picture = heatmap(iter(found))
    before = str(picture), picture.to_svg()
    found[0]["properties"]["latestModelApplied"] = False
    found.clear()
    assert (str(picture), picture.to_svg()) == before


def test_an_instance_that_was_listed_twice_is_shown_once() -> None:
    """Pages that overlap show an instance as it was last read."""
    picture = heatmap([instance(1, power="stopping"), instance(2), instance(1, power="stopped")])
    assert table(picture)[1] == ["UD 0", "X1 *2"]
    assert len(drawn(picture)) == 2


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
def test_every_instance_is_in_the_picture_exactly_once(
    found: list[Any], width: int, tty: bool
) -> None:
    """Whatever the set, width and output: each id once in the text and once in the SVG, and no line too wide."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        patch.setattr(sys, "stdout", Terminal(tty=tty))
        text = bare(str(heatmap(found)))
    ids = sorted(each["instanceId"] for each in found)
    assert sorted(shown(text)) == ids
    assert sorted(str(group.get("data-instance")) for group in drawn(heatmap(found))) == ids
    assert max(map(len, text.splitlines())) < width
