"""Template expressions that `az vmss create` uses, such as `[parameters('name')]`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .. import errors
from .api_versions import COMPUTE
from .resources import SUBSCRIPTION

Function = Callable[..., Any]
_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z]\w*)|'(?P<text>(?:[^']|'')*)'|(?P<number>\d+)|(?P<mark>[(),.\[\]]))"
)


class Expressions:
    """Evaluator of the expressions in a template.

    Args:
        parameters: The values of the parameters.
        variables: The variables, which may contain expressions.
        group: The name of the resource group, for `resourceId`.
        reference: Returns the properties of a resource by its name or id. Only outputs may call it.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        variables: Mapping[str, Any],
        group: str,
        reference: Function | None = None,
    ) -> None:
        self._parameters = parameters
        self._variables = variables
        self._group = group
        self._functions: dict[str, Function] = {
            "parameters": self._parameter,
            "variables": self._variable,
            "concat": _concat,
            "resourceid": self._resource_id,
            "providers": _provider,
        }
        if reference:
            self._functions["reference"] = reference

    def resolve(self, value: Any) -> Any:
        """Return a value of a template with all its expressions evaluated."""
        if isinstance(value, dict):
            return {key: self.resolve(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [self.resolve(entry) for entry in value]
        if not isinstance(value, str) or not value.startswith("[") or not value.endswith("]"):
            return value
        if value.startswith("[["):  # escaped
            return value[1:]
        return self._evaluate(value)

    def _evaluate(self, expression: str) -> Any:
        tokens = _tokenize(expression)
        result = self._term(tokens, expression)
        if tokens:
            raise _unsupported_expression(expression)
        return result

    def _term(self, tokens: list[tuple[str, str]], expression: str) -> Any:
        """Evaluate a string, or a function call followed by members of its result."""
        kind, value = _take(tokens, expression)
        if kind == "text":
            return value.replace("''", "'")
        function = self._functions.get(value.lower())
        if kind != "name" or function is None:
            raise _unsupported_expression(expression)
        if _take(tokens, expression)[1] != "(":
            raise _unsupported_expression(expression)
        arguments = []
        while tokens and tokens[0] != ("mark", ")"):
            arguments.append(self._term(tokens, expression))
            if tokens and tokens[0] == ("mark", ","):
                tokens.pop(0)
        _take(tokens, expression)
        try:
            result = function(*arguments)
            while tokens and tokens[0] in (("mark", "."), ("mark", "[")):
                result = _member(result, tokens, expression)
        except (TypeError, KeyError, IndexError, StopIteration):
            raise _unsupported_expression(expression) from None
        return result

    def _parameter(self, name: str) -> Any:
        if name not in self._parameters:
            message = f"The template parameter '{name}' is not found."
            raise errors.ApiError(400, "InvalidTemplate", message)
        return self._parameters[name]

    def _variable(self, name: str) -> Any:
        if name not in self._variables:
            message = f"The template variable '{name}' is not found."
            raise errors.ApiError(400, "InvalidTemplate", message)
        return self.resolve(self._variables[name])

    def _resource_id(self, *parts: str) -> str:
        """Return the id of a resource from its type and the names of its levels."""
        start = next(position for position, part in enumerate(parts) if "/" in part)
        group = parts[start - 1] if start else self._group
        provider, *kinds = parts[start].split("/")
        names = parts[start + 1 :]
        path = "".join(f"/{kind}/{name}" for kind, name in zip(kinds, names, strict=False))
        return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/{provider}{path}"


class AnyProperties(dict[str, Any]):
    """Placeholder for properties that are not known yet; every member exists."""

    def __missing__(self, key: str) -> AnyProperties:
        """Return the placeholder itself, which has every member too."""
        return self


def _provider(namespace: str, kind: str) -> dict[str, Any]:
    """Return the api-versions of a type, always those of Compute."""
    del namespace, kind
    return {"apiVersions": list(COMPUTE)}


def _member(value: Any, tokens: list[tuple[str, str]], expression: str) -> Any:
    """Return the member after a dot, or the entry with the index in brackets."""
    if tokens.pop(0)[1] == ".":
        return value[_take(tokens, expression)[1]]
    position = int(_take(tokens, expression)[1])
    _take(tokens, expression)
    return value[position]


def _concat(*parts: Any) -> Any:
    if parts and isinstance(parts[0], list):
        return [entry for part in parts for entry in part]
    return "".join(str(part) for part in parts)


def _tokenize(expression: str) -> list[tuple[str, str]]:
    """Return the tokens of an expression, each with its kind."""
    text = expression[1:-1].rstrip()
    tokens = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise _unsupported_expression(expression)
        tokens.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return tokens


def _take(tokens: list[tuple[str, str]], expression: str) -> tuple[str, str]:
    if not tokens:
        raise _unsupported_expression(expression)
    return tokens.pop(0)


def _unsupported_expression(expression: str) -> errors.ApiError:
    """Return the error for an expression that the sandbox cannot evaluate."""
    message = (
        f"The sandbox cannot evaluate the template expression '{expression}'. It supports the "
        "functions parameters, variables, concat, resourceId, providers, and reference in outputs. "
        "Write the value itself, or create the scale set with a PUT instead of a template."
    )
    return errors.ApiError(400, "InvalidTemplate", message)
