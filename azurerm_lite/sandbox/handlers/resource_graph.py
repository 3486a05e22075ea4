"""Handler for Azure Resource Graph: queries for scale sets and VMs.

It supports the table `Resources` and the operators `where`, `project` and `order by`, with string
comparisons joined by `or`. Other queries are rejected with Azure's error for a query that it cannot
parse.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

from .. import errors
from .._answer import Answer
from ..model.resources import SUBSCRIPTION, Instance, Json, ScaleSet, now_utc
from . import render
from ._call import Call

VERSIONS = (
    "2018-09-01-preview",
    "2019-04-01",
    "2020-04-01-preview",
    "2021-03-01",
    "2022-10-01",
    "2024-04-01",
)
# The table has the shape of an api-version without etags.
_COMPUTE_VERSION = "2023-07-01"
# Azure allows this many queries in this many seconds.
QUOTA = 15
QUOTA_SECONDS = 5.0

_Row = dict[str, Any]
_Step = Callable[[list[_Row]], list[_Row]]
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
_ESCAPES = {"n": "\n", "t": "\t"}


def query_resources(call: Call) -> Answer:
    """Resource Graph - Resources."""
    if call.api_version not in VERSIONS:
        known = list(reversed(VERSIONS))
        raise errors.provider_not_found("", call.api_version, "resources", known)
    text = call.body.get("query")
    options = call.body.get("options") or {}
    if not isinstance(text, str) or not isinstance(options, dict):
        raise _bad_request("InvalidQuery", "Query is required.")
    subscriptions = call.body.get("subscriptions", [SUBSCRIPTION])
    is_list = isinstance(subscriptions, list)
    if not is_list or SUBSCRIPTION not in [str(name).lower() for name in subscriptions]:
        message = (
            "There must be at least one subscription that is eligible to contain resources. "
            f"Given: '{subscriptions}'."
        )
        raise _bad_request("NoValidSubscriptionsInQueryRequest", message)
    headers = _spend_quota(call)
    rows = Query(text).run(_table(call))
    return Answer(200, _page(rows, text, options, call.page_size), headers)


def _spend_quota(call: Call) -> dict[str, str]:
    """Count a query and return the headers with the remaining queries.

    Raises:
        ApiError: The quota is used up. As on Azure, there is no `Retry-After`.
    """
    now = call.cloud.clock()
    started, used = call.cloud.graph_queries
    if now - started >= QUOTA_SECONDS:
        started = now
        used = 0
    resets = max(1, round(started + QUOTA_SECONDS - now))
    headers = {
        "x-ms-user-quota-remaining": str(max(0, QUOTA - used - 1)),
        "x-ms-user-quota-resets-after": f"00:00:{resets:02}",
    }
    if used >= QUOTA:
        message = (
            "Client application has been throttled and should not attempt to repeat the request "
            "until an amount of time has elapsed. Please see "
            "https://aka.ms/resourcegraph-throttling for help."
        )
        error = _bad_request("RateLimiting", message)
        error.status = 429
        error.error["code"] = "RateLimiting"
        error.headers = headers
        raise error
    call.cloud.graph_queries = (started, used + 1)
    return headers


def _bad_request(code: str, message: str, *details: Json) -> errors.ApiError:
    """Return an error response of Resource Graph; only its details name the reason."""
    ids = f"timestamp = {now_utc()}, correlationId = {uuid.uuid4()}"
    outer = f"Please provide below info when asking for support: {ids}."
    error = errors.ApiError(400, "BadRequest", outer)
    error.error["details"] = [{"code": code, "message": message}, *details]
    return error


def _parser_failure(token: str) -> errors.ApiError:
    """Return the error for a query that is invalid or not supported."""
    message = (
        "Query is invalid. Please refer to the documentation for the Azure Resource Graph service "
        "and fix the error before retrying."
    )
    detail = {"code": "ParserFailure", "message": "ParserFailure", "token": token}
    return _bad_request("InvalidQuery", message, detail)


def _table(call: Call) -> list[_Row]:
    """Return the rows of the table: scale sets, and members of Flexible sets."""
    sets = list(call.cloud.sets.values())
    members = [(vmss, vm) for vmss in sets if vmss.is_flexible for vm in vmss.instances.values()]
    return [*(_row(vmss) for vmss in sets), *(_row_of_member(*member) for member in members)]


def _row_of_member(vmss: ScaleSet, vm: Instance) -> _Row:
    """Return a VM as a row of the table."""
    body = render.virtual_machine(vmss, vm, _COMPUTE_VERSION)
    return {
        "tags": None,
        **body,
        "type": str(body["type"]).lower(),
        "subscriptionId": SUBSCRIPTION,
        "resourceGroup": vmss.group.lower(),
    }


def _row(vmss: ScaleSet) -> _Row:
    """Return a scale set as a row of the table, with type and group in lower case."""
    body = render.scale_set(vmss, _COMPUTE_VERSION)
    return {
        "tags": None,
        **body,
        "type": str(body["type"]).lower(),
        "subscriptionId": SUBSCRIPTION,
        "resourceGroup": vmss.group.lower(),
    }


def _page(rows: list[_Row], text: str, options: Json, page_size: int) -> Json:
    """Return a page of rows, with a token for the next page of the same query."""
    start = int(options.get("$skip") or 0)
    if "$skipToken" in options and options["$skipToken"] is not None:
        start = _read_token(str(options["$skipToken"]), text)
    top = options.get("$top", 1000)
    if not isinstance(top, int) or not 1 <= top <= 1000:
        raise _bad_request("InvalidQueryOptions", "$top must be from 1 to 1000.")
    part = rows[start : start + min(top, page_size)]
    end = start + len(part)
    has_more = end < len(rows)
    body: Json = {
        "totalRecords": len(rows),
        "count": len(part),
        "data": part,
        "facets": [],
        "resultTruncated": "true" if has_more else "false",
    }
    if has_more:
        body["$skipToken"] = base64.b64encode(json.dumps([end, text]).encode()).decode()
    return body


def _read_token(token: str, text: str) -> int:
    try:
        start, query = json.loads(base64.b64decode(token, validate=True))
    except ValueError:
        raise _bad_request("InvalidSkipToken", "The provided skip token is invalid.") from None
    if query != text:
        raise _bad_request("InvalidSkipToken", "The skip token belongs to another query.")
    return int(start)


class Query:
    """A parsed query: steps that each transform rows."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokenize(text)
        self._position = 0
        self._steps: list[_Step] = []
        if self._next().lower() != "resources":
            raise _parser_failure(self._tokens[0] if self._tokens else "")
        operators = {
            "where": self._parse_where,
            "project": self._parse_project,
            "order": self._parse_order,
        }
        while self._peek():
            self._expect("|")
            operator = self._next()
            if operator not in operators:
                raise _parser_failure(operator)
            self._steps.append(operators[operator]())

    def run(self, rows: list[_Row]) -> list[_Row]:
        """Return the rows of the result."""
        for step in self._steps:
            rows = step(rows)
        return rows

    # Operators

    def _parse_where(self) -> _Step:
        tests = [self._parse_comparison()]
        while self._peek() == "or":
            self._next()
            tests.append(self._parse_comparison())
        return lambda rows: [row for row in rows if any(test(row) for test in tests)]

    def _parse_project(self) -> _Step:
        columns = [self._parse_column()]
        while self._peek() == ",":
            self._next()
            columns.append(self._parse_column())
        return lambda rows: [{name: value(row) for name, value in columns} for row in rows]

    def _parse_column(self) -> tuple[str, Callable[[_Row], Any]]:
        name = self._next()
        if self._peek() != "=":
            return name, self._parse_path(name)
        self._next()
        return name, self._parse_path(self._next())

    def _parse_order(self) -> _Step:
        self._expect("by")
        name = self._next()
        is_descending = self._peek() == "desc"
        if self._peek() in ("asc", "desc"):
            self._next()

        def key(row: _Row) -> str:
            return str(row.get(name) or "").lower()

        return lambda rows: sorted(rows, key=key, reverse=is_descending)

    # Expressions

    def _parse_comparison(self) -> Callable[[_Row], bool]:
        value = self._parse_value()
        operator = self._peek()
        if operator in ("", "|", "or"):
            return lambda row: bool(value(row))
        self._next()
        if operator in _STRINGS:
            test = _STRINGS[operator]
            expected = self._parse_literal()
            return lambda row: test(_to_string(value(row)), expected)
        if operator == "in~":
            chosen = self._parse_set()
            return lambda row: _to_string(value(row)).lower() in chosen
        raise _parser_failure(operator)

    def _parse_set(self) -> set[str]:
        """Parse strings in parentheses; return them in lower case."""
        self._expect("(")
        chosen = {self._parse_literal().lower()}
        while self._peek() == ",":
            self._next()
            chosen.add(self._parse_literal().lower())
        self._expect(")")
        return chosen

    def _parse_value(self) -> Callable[[_Row], Any]:
        name = self._next()
        if self._peek() != "(":
            return self._parse_path(name)
        if name not in ("tostring", "isnotnull"):
            raise _parser_failure(name)
        self._expect("(")
        inner = self._parse_path(self._next())
        self._expect(")")
        if name == "tostring":
            return lambda row: _to_string(inner(row))
        return lambda row: inner(row) is not None

    def _parse_path(self, column: str) -> Callable[[_Row], Any]:
        """Parse the members after a column: any number of `.name` and `['name']`."""
        if not re.fullmatch(r"\w+", column):
            raise _parser_failure(column)
        names = [column]
        while self._peek() in (".", "["):
            if self._next() == ".":
                names.append(self._next())
            else:
                names.append(self._parse_literal())
                self._expect("]")

        def value(row: _Row) -> Any:
            found: Any = row
            for name in names:
                found = found.get(name) if isinstance(found, dict) else None
            return found

        return value

    def _parse_literal(self) -> str:
        """Parse a string, with backslash escapes."""
        token = self._next()
        if token[0] not in "'\"":
            raise _parser_failure(token)
        return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), token[1:-1])

    # Tokens

    def _peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise _parser_failure("<EOF>")
        self._position += 1
        return token

    def _expect(self, expected: str) -> None:
        token = self._next()
        if token != expected:
            raise _parser_failure(token)


def _tokenize(text: str) -> list[str]:
    tokens = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            raise _parser_failure(text[position : position + 20])
        tokens.append(match[1] or match[2])
        position = match.end()
    return tokens


def _to_string(value: Any) -> str:
    """Return a value as text, like Kusto's `tostring`."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
