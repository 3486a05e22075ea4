"""Azure Resource Graph, as far as queries for scale sets go: read, carried out, and answered page by page.

It understands `Resources` and, after pipes, `where`, `project` and `order by id`, with comparisons
of strings joined by `or`. What else Kusto's language has is refused as Azure refuses what it cannot
read: no query is answered by guessing.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

from .. import errors
from ..model.resources import SUBSCRIPTION, Json, ScaleSet, now_utc
from . import render
from .scale_sets import Answer, Call

VERSIONS = (
    "2018-09-01-preview",
    "2019-04-01",
    "2020-04-01-preview",
    "2021-03-01",
    "2022-10-01",
    "2024-04-01",
)
QUOTA, SPAN = 15, 5.0
"""Queries, and the seconds in which they may be sent."""

_Row = dict[str, Any]
_TOKEN = re.compile(
    r"\s*(?:('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(in~|\w+|==|!=|=~|!~|[|(),=.\[\]]))", re.DOTALL
)
_STRINGS: dict[str, Callable[[str, str], bool]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "=~": lambda left, right: left.lower() == right.lower(),
    "!~": lambda left, right: left.lower() != right.lower(),
    "startswith": lambda left, right: left.lower().startswith(right.lower()),
    "contains": lambda left, right: right.lower() in left.lower(),
}


def query_resources(call: Call) -> Answer:
    """Resource Graph - Resources."""
    if call.query["api-version"] not in VERSIONS:
        raise errors.no_provider(
            "", call.query["api-version"], "resources", list(reversed(VERSIONS))
        )
    text, options = call.body.get("query"), call.body.get("options") or {}
    if not isinstance(text, str) or not isinstance(options, dict):
        raise _refused("InvalidQuery", "Query is required.")
    wanted = call.body.get("subscriptions", [SUBSCRIPTION])
    if not isinstance(wanted, list) or SUBSCRIPTION not in [str(each).lower() for each in wanted]:
        raise _refused(
            "NoValidSubscriptionsInQueryRequest",
            f"There must be at least one subscription that is eligible to contain resources. Given: '{wanted}'.",
        )
    headers = _quota(call)
    rows = Query(text).run([_row(each) for each in call.cloud.sets.values()])
    return Answer(200, _page(rows, text, options, call.page_size), headers)


def _quota(call: Call) -> dict[str, str]:
    """The headers that say what is left; without any, the refusal, which says no `Retry-After`."""
    now = call.cloud.clock()
    began, used = call.cloud.queries if now - call.cloud.queries[0] < SPAN else (now, 0)
    resets = f"00:00:{max(1, round(began + SPAN - now)):02}"
    headers = {
        "x-ms-user-quota-remaining": str(max(0, QUOTA - used - 1)),
        "x-ms-user-quota-resets-after": resets,
    }
    if used >= QUOTA:
        message = (
            "Client application has been throttled and should not attempt to repeat the request until an amount of "
            "time has elapsed. Please see https://aka.ms/resourcegraph-throttling for help."
        )
        refusal = _refused("RateLimiting", message)
        refusal.status, refusal.error["code"], refusal.headers = 429, "RateLimiting", headers
        raise refusal
    call.cloud.queries = (began, used + 1)
    return headers


def _refused(code: str, message: str, *details: Json) -> errors.Refusal:
    """Resource Graph's refusal: what is wrong stands in the details alone."""
    ids = f"timestamp = {now_utc()}, correlationId = {uuid.uuid4()}"
    refusal = errors.Refusal(
        400, "BadRequest", f"Please provide below info when asking for support: {ids}."
    )
    refusal.error["details"] = [{"code": code, "message": message}, *details]
    return refusal


def _unreadable(token: str) -> errors.Refusal:
    """The refusal of a query that is no Kusto, or more of it than is understood here."""
    message = (
        "Query is invalid. Please refer to the documentation for the Azure Resource Graph service and fix the error "
        "before retrying."
    )
    return _refused(
        "InvalidQuery",
        message,
        {"code": "ParserFailure", "message": "ParserFailure", "token": token},
    )


def _row(vmss: ScaleSet) -> _Row:
    """A scale set as a row of the table: what the resource manager gives, its type and its group in lower case."""
    body = render.scale_set(vmss, with_etag=False)
    places = {"subscriptionId": SUBSCRIPTION, "resourceGroup": vmss.group.lower()}
    return {"tags": None, **body, "type": str(body["type"]).lower(), **places}


def _page(rows: list[_Row], text: str, options: Json, page_size: int) -> Json:
    """A part of the rows, with the token for the next where there is one; it is good for this query alone."""
    token, start = options.get("$skipToken"), int(options.get("$skip") or 0)
    if token is not None:
        try:
            start, asked = json.loads(base64.b64decode(str(token), validate=True))
        except ValueError:
            raise _refused("InvalidSkipToken", "The provided skip token is invalid.") from None
        if asked != text:
            raise _refused("InvalidSkipToken", "The skip token belongs to another query.")
    top = options.get("$top", 1000)
    if not isinstance(top, int) or not 1 <= top <= 1000:
        raise _refused("InvalidQueryOptions", "$top must be from 1 to 1000.")
    part = rows[start : start + min(top, page_size)]
    end = start + len(part)
    is_cut = end < len(rows)
    body: Json = {"totalRecords": len(rows), "count": len(part), "data": part, "facets": []}
    body["resultTruncated"] = "true" if is_cut else "false"
    if is_cut:
        body["$skipToken"] = base64.b64encode(json.dumps([end, text]).encode()).decode()
    return body


class Query:
    """A query, read into steps that each make rows of rows."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._steps: list[Callable[[list[_Row]], list[_Row]]] = []
        if self._next().lower() != "resources":
            raise _unreadable(self._tokens[0] if self._tokens else "")
        while self._peek():
            self._take("|")
            operator = self._next()
            steps = {"where": self._where, "project": self._project, "order": self._order}
            if operator not in steps:
                raise _unreadable(operator)
            self._steps.append(steps[operator]())

    def run(self, rows: list[_Row]) -> list[_Row]:
        """The rows that it gives."""
        for step in self._steps:
            rows = step(rows)
        return rows

    # Operators

    def _where(self) -> Callable[[list[_Row]], list[_Row]]:
        tests = [self._comparison()]
        while self._peek() == "or":
            self._next()
            tests.append(self._comparison())
        return lambda rows: [row for row in rows if any(test(row) for test in tests)]

    def _project(self) -> Callable[[list[_Row]], list[_Row]]:
        columns = []
        while True:
            name = self._next()
            if self._peek() == "=":
                self._next()
                columns.append((name, self._path(self._next())))
            else:
                columns.append((name, self._path(name)))
            if self._peek() != ",":
                return lambda rows: [{name: value(row) for name, value in columns} for row in rows]
            self._next()

    def _order(self) -> Callable[[list[_Row]], list[_Row]]:
        self._take("by")
        name = self._next()
        is_falling = self._peek() == "desc"
        if self._peek() in ("asc", "desc"):
            self._next()
        return lambda rows: sorted(
            rows, key=lambda row: str(row.get(name) or "").lower(), reverse=is_falling
        )

    # Expressions

    def _comparison(self) -> Callable[[_Row], bool]:
        value = self._value()
        operator = self._peek()
        if operator in ("", "|", "or"):
            return lambda row: bool(value(row))
        self._next()
        if operator in _STRINGS:
            test, wanted = _STRINGS[operator], self._literal()
            return lambda row: test(str(_text(value(row))), wanted)
        if operator == "in~":
            self._take("(")
            chosen = {self._literal().lower()}
            while self._peek() == ",":
                self._next()
                chosen.add(self._literal().lower())
            self._take(")")
            return lambda row: str(_text(value(row))).lower() in chosen
        raise _unreadable(operator)

    def _value(self) -> Callable[[_Row], Any]:
        name = self._next()
        if self._peek() != "(":
            return self._path(name)
        if name not in ("tostring", "isnotnull"):
            raise _unreadable(name)
        self._take("(")
        inner = self._path(self._next())
        self._take(")")
        return (
            (lambda row: _text(inner(row)))
            if name == "tostring"
            else (lambda row: inner(row) is not None)
        )

    def _path(self, column: str) -> Callable[[_Row], Any]:
        """A column, and what is asked for in it: `.name` or `['name']`."""
        if not re.fullmatch(r"\w+", column):
            raise _unreadable(column)
        names = [column]
        while self._peek() in (".", "["):
            if self._next() == ".":
                names.append(self._next())
            else:
                names.append(self._literal())
                self._take("]")

        def value(row: _Row) -> Any:
            found: Any = row
            for name in names:
                found = found.get(name) if isinstance(found, dict) else None
            return found

        return value

    # Tokens

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise _unreadable("<EOF>")
        self._at += 1
        return token

    def _take(self, wanted: str) -> None:
        if (token := self._next()) != wanted:
            raise _unreadable(token)

    def _literal(self) -> str:
        """A string as it is meant: a backslash quotes what comes after it."""
        token = self._next()
        if token[0] not in "'\"":
            raise _unreadable(token)
        return re.sub(
            r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), token[1:-1]
        )


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise _unreadable(text[at : at + 20])
        tokens.append(found[1] or found[2])
        at = found.end()
    return tokens


def _text(value: Any) -> str:
    """What `tostring` makes of a value."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
