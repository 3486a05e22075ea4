"""Azure Resource Graph: the queries, their pages, and their rows as scale sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from . import _shapes, images, rest, settings
from ._arguments import is_list
from ._ids import fold_region
from .errors import AzureError
from .types import FoundScaleSet, Image, Token

_TOP = 1000
"""Rows per page, Azure's maximum."""
_PLATFORM = ("publisher", "offer", "sku", "version")
_REFERENCE = "properties.virtualMachineProfile.storageProfile.imageReference"
_URI = "properties.virtualMachineProfile.storageProfile.osDisk.image.uri"
_COLUMNS = (
    "id, name, subscriptionId, resourceGroup, location, tags, "
    f"capacity = sku.capacity, mode = properties.upgradePolicy.mode, reference = {_REFERENCE}, uri"
    f" = {_URI}"
)


_MEMBER_COLUMNS = (
    "id, name, subscriptionId, resourceGroup, location, "
    "vmss = properties.virtualMachineScaleSet.id, "
    "reference = properties.storageProfile.imageReference"
)


def parse_scope(
    subscriptions: Sequence[str] | None, location: str | Sequence[str] | None
) -> list[str]:
    """Return the regions to which a query is restricted, as Azure names them.

    Args:
        subscriptions: Subscription ids; `None` for all.
        location: A region or several; `None` for all.

    Returns:
        A list of region names; empty for all.

    Raises:
        ValueError: An argument is not a list of names.
    """
    regions = [location] if isinstance(location, str) else location
    _check_names("subscriptions", subscriptions, subscriptions)
    _check_names("location", location, regions)
    return [fold_region(region) for region in regions or ()]


def _check_names(argument: str, value: object, names: Sequence[str] | None) -> None:
    is_usable = names is None or is_list(names)
    if not is_usable or not all(isinstance(name, str) and name.strip() for name in names or ()):
        raise ValueError(f"{argument} must be a list of names, not {value!r}")


def query(
    image: str | None, tag: str | Mapping[str, str | None] | None, location: Sequence[str]
) -> str:
    """Return the Kusto query for scale sets; names match without regard to case.

    Args:
        image: The `image` of `find_scale_sets`.
        tag: The `tag` of `find_scale_sets`.
        location: Regions; empty for all.

    Returns:
        The query, with each value quoted.

    Raises:
        ValueError: `image` or `tag` is invalid.
    """
    lines = ["Resources", "where type =~ 'microsoft.compute/virtualmachinescalesets'"]
    if location:
        lines.append(f"where location in~ ({', '.join(map(_quote, location))})")
    lines += _tag_conditions(tag)
    if image is not None:
        lines += _image_conditions(image)
    return "\n| ".join([*lines, f"project {_COLUMNS}", "order by id asc"])


def query_members(location: Sequence[str]) -> str:
    """Return the Kusto query for the members of Flexible sets, with the images that they run.

    Args:
        location: Regions as `parse_scope` returns them; empty for all.

    Returns:
        The query, with each value quoted.

    Raises:
        ValueError: A region is invalid.
    """
    lines = [
        "Resources",
        "where type =~ 'microsoft.compute/virtualmachines'",
        "where isnotnull(properties.virtualMachineScaleSet)",
    ]
    if location:
        lines.append(f"where location in~ ({', '.join(map(_quote, location))})")
    lines += [f"project {_MEMBER_COLUMNS}", "order by id asc"]
    return "\n| ".join(lines)


def _tag_conditions(tag: str | Mapping[str, str | None] | None) -> Iterator[str]:
    if isinstance(tag, str):
        before, equals, after = tag.partition("=")
        tag = {before: after if equals else None}
    if not isinstance(tag, Mapping | None):
        raise ValueError(f"tag must be a name, name=value or a dict of these, not {tag!r}")
    given: Mapping[Any, Any] = tag or {}
    for name, value in given.items():
        if not isinstance(name, str) or not name.strip() or not isinstance(value, str | None):
            raise ValueError(f"tag must be a name, name=value or a dict of these, not {tag!r}")
        column = f"tags[{_quote(name)}]"
        if value is None:
            yield f"where isnotnull({column})"
        else:
            yield f"where tostring({column}) == {_quote(value)}"


def _image_conditions(image: str) -> Iterator[str]:
    """Yield the conditions for an image: by its id, its URL, or the parts of its name."""
    if not isinstance(image, str) or not image.strip():
        raise ValueError(
            f"image must be an image id, a URL or publisher:offer:sku:version, not {image!r}"
        )
    if image.startswith("/"):
        image_id = image.rstrip("/")
        column = f"tostring({_REFERENCE}.{images.reference_key(image)})"
        prefix = _quote(image_id + "/")
        yield f"where {column} =~ {_quote(image_id)} or {column} startswith {prefix}"
    elif "://" in image:
        yield f"where tostring({_URI}) =~ {_quote(image)}"
    else:
        parts = image.split(":")
        if len(parts) > len(_PLATFORM) or not all(part.strip() for part in parts):
            raise ValueError(
                f"image must be an image id, a URL or publisher:offer:sku:version, not {image!r}"
            )
        for name, part in zip(_PLATFORM, parts, strict=False):
            yield f"where tostring({_REFERENCE}.{name}) =~ {_quote(part)}"


def _quote(value: str) -> str:
    """Return a value as a Kusto string literal."""
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{value!r} cannot be used in a query: it must be printable text")
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def rows(
    access_token: Token, text: str, subscriptions: Sequence[str] | None
) -> Iterator[dict[str, Any]]:
    """Return the rows of a query, all pages.

    Args:
        access_token: Bearer token, or a zero-argument callable that returns one.
        text: The query. It must have an order, so that the pages fit together.
        subscriptions: Subscription ids; `None` for all that the token can see.

    Returns:
        An iterator over the rows.

    Raises:
        AzureError: Azure returned an error, omitted rows, or repeated a page.
    """
    link = rest.url("/providers/Microsoft.ResourceGraph/resources", {}, settings.GRAPH_API)
    options: dict[str, Any] = {"$top": _TOP, "resultFormat": "objectArray"}
    request = {
        "query": text,
        **({} if subscriptions is None else {"subscriptions": list(subscriptions)}),
    }
    seen: set[str] = set()
    while True:
        page = _page(access_token, link, {**request, "options": options})
        yield from page["data"]
        following = page.get("$skipToken")
        if not following:
            if str(page.get("resultTruncated")).lower() == "true":
                raise AzureError(
                    "Azure omitted rows from the response",
                    code="ResultTruncated",
                    method="POST",
                    url=link,
                )
            return
        if following in seen:
            raise AzureError(
                "The $skipToken of a page points to a page that was already read",
                code="NextLinkRepeats",
                method="POST",
                url=link,
            )
        seen.add(following)
        options["$skipToken"] = following


def _page(access_token: Token, link: str, body: Mapping[str, Any]) -> Any:
    """Return a page after checking its shape."""
    response = rest.send(access_token, "POST", link, body)
    return _shapes.require(_shapes.GRAPH_PAGE, rest.read_json(response), "POST", link)


def scale_sets(found: Iterable[Mapping[str, Any]]) -> list[FoundScaleSet]:
    """Return the rows of the query as scale sets."""
    return [_scale_set(row) for row in found]


def _scale_set(row: Mapping[str, Any]) -> FoundScaleSet:
    image = _image(row)
    return {
        "id": row["id"],
        "subscription_id": row["subscriptionId"],
        "resource_group": row["resourceGroup"],
        "vmss_name": row["name"],
        "location": row.get("location") or "",
        "capacity": row.get("capacity") or 0,
        "mode": row.get("mode") or "Manual",
        "tags": row.get("tags") or {},
        "image": image,
        "version": image.get("version") or images.version_in(image.get("image_id", "")),
    }


def _image(row: Mapping[str, Any]) -> Image:
    """Return the image in the shape of `get_image`; empty if the set has none."""
    disk = {"osDisk": {"image": {"uri": row["uri"]}}} if row.get("uri") else {}
    storage = {**disk, **({"imageReference": row["reference"]} if row.get("reference") else {})}
    try:
        return images.get_image(
            {"properties": {"virtualMachineProfile": {"storageProfile": storage}}}
        )
    except ValueError:
        return {}
