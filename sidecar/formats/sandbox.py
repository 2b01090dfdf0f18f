"""The language of templates: Jinja in its sandbox, without what could run long or grow large.

A template is rendered while deliveries are being stored, so it must end soon whatever it contains. Everything that
it builds counts against a budget: text, lists, iterations of a loop. There is no range, no macro, no
include, and no method or filter that makes a large result out of a small input. Jinja itself forbids
attributes that lead into Python.
"""

import html
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any, Final

from jinja2 import StrictUndefined, Undefined, nodes, pass_context
from jinja2.exceptions import SecurityError, TemplateSyntaxError
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from sidecar.formats.payload import encode_json, whole

LARGEST_BYTES: Final = 256 << 10  #: of a payload, and of every intermediate value
_BUDGET: Final = 4 << 20  #: characters and elements that may be built in all
_TURN: Final = 400  # the cost of one iteration of a loop
_BUDGET_KEY: Final = " budget"  # no template can use this name
_LARGEST_NUMBER: Final = 1 << 64
_MOST_PLACES: Final = 30  # that a number may be rounded to

_FILTERS: Final = (
    *("abs", "capitalize", "count", "d", "default", "dictsort", "filesizeformat", "first", "float", "int"),
    *("items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr"),
    *("replace", "reverse", "round", "select", "selectattr", "sort", "string", "sum", "title", "trim"),
    *("truncate", "unique", "upper", "urlencode", "wordcount"),
)
_METHODS: Final[Mapping[type, frozenset[str]]] = {
    str: frozenset(
        {
            *(
                "capitalize",
                "casefold",
                "count",
                "endswith",
                "find",
                "isdigit",
                "lower",
                "lstrip",
                "partition",
            ),
            *(
                "removeprefix",
                "removesuffix",
                "rfind",
                "rpartition",
                "rsplit",
                "rstrip",
                "split",
                "splitlines",
            ),
            *("startswith", "strip", "title", "upper"),
        }
    ),
    dict: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"count", "index"}),
    tuple: frozenset({"count", "index"}),
}
_FORBIDDEN: Final[Mapping[type[nodes.Node], str]] = {
    nodes.Macro: "macros are",
    nodes.CallBlock: "call blocks are",
    nodes.Include: "include is",
    nodes.Import: "import is",
    nodes.FromImport: "import is",
    nodes.Extends: "extends is",
    nodes.Block: "blocks are",
    nodes.FilterBlock: "filter blocks are",
    nodes.AssignBlock: "{% set %} with a body is",
    nodes.Pow: "** is",
}


class TooLarge(SecurityError):
    """The template would build too much, or run too long."""


class _Budget:
    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = _BUDGET

    def _charge(self, weight: int) -> None:
        if weight > LARGEST_BYTES:
            raise TooLarge("it builds too much")
        self._spend(weight)

    def _spend(self, cost: int) -> None:
        self._left -= cost
        if self._left < 0:
            raise TooLarge("it builds too much, or loops too often")


class _Namespace(Namespace):
    """The only mutable value, for loops to write to. Nothing can contain one, so that measured values do not change."""

    def __init__(self, **values: Any) -> None:
        for value in values.values():
            _weight(value)
        super().__init__(**values)

    def __setitem__(self, name: str, value: Any) -> None:
        _weight(value)
        super().__setitem__(name, value)

    def __repr__(self) -> str:
        return "namespace"


class Sandbox(ImmutableSandboxedEnvironment):
    """Makes templates; use `variables` to render one."""

    intercepted_binops = frozenset({"+", "*", "%", "**"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False)
        self.globals.clear()
        self.globals["namespace"] = _Namespace
        self.filters.clear()
        self.filters.update({name: _weighed(FILTERS[name]) for name in _FILTERS})
        self.filters.update(
            {"tojson": _weighed(_tojson), "e": _weighed(_escape), "escape": _weighed(_escape)}
        )
        self.filters.update(_OF_THE_LANGUAGE)

    def is_safe_callable(self, obj: Any) -> bool:
        allowed = _METHODS.get(type(getattr(obj, "__self__", None)), frozenset())
        return obj is _Namespace or getattr(obj, "__name__", "") in allowed

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(obj, Undefined):
            obj()  # says what is not defined
        if not self.is_safe_callable(obj):
            raise SecurityError(f"{getattr(obj, '__name__', 'this')}() cannot be called in a template")
        if isinstance(text := getattr(obj, "__self__", None), str):  # it is gone through, maybe in each turn
            context.parent[_BUDGET_KEY]._spend(len(text))  # noqa: SLF001  # named so that no template can use it
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator != "+" and not (_is_number(left) and _is_number(right)):
            raise SecurityError(f"{operator} is for numbers only")
        if operator == "+" and isinstance(left, str) != isinstance(right, str):
            raise SecurityError("+ joins text with text only; use ~, which makes text of anything")
        return _charged(context, super().call_binop(context, operator, left, right))

    def compiled(self, source: str) -> Any:
        """A template; raises TemplateSyntaxError, with its line."""
        tree = _Weighing(self).visit(self.parse(source))
        return self.template_class.from_code(self, self.compile(tree), self.make_globals(None))


def variables(**values: object) -> dict[str, object]:
    """The variables for rendering a template, with its budget."""
    return values | {_BUDGET_KEY: _Budget()}


class _Weighing(NodeTransformer):
    """Refuses forbidden syntax, and measures everything that a template builds."""

    def __init__(self, environment: Sandbox) -> None:
        self._environment = environment

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        if why := _FORBIDDEN.get(type(node)):
            raise TemplateSyntaxError(f"{why} not possible in a payload template", node.lineno)
        super().generic_visit(node, *args, **kwargs)
        if isinstance(node, nodes.Const) and isinstance(node.value, str):
            node.value = _joined(node.value)
        if isinstance(node, nodes.For):
            if node.recursive:
                raise TemplateSyntaxError("recursive loops are not possible", node.lineno)
            node.iter = self._filtered(node.iter, _TURNS)
        elif isinstance(node, nodes.Concat):
            return self._filtered(nodes.List(node.nodes, lineno=node.lineno), _CONCAT)
        elif isinstance(node, nodes.List | nodes.Dict) or (
            isinstance(node, nodes.Tuple) and node.ctx == "load"
        ):
            return self._filtered(node, _LITERAL)
        return node

    def _filtered(self, node: nodes.Node, name: str) -> nodes.Filter:
        found = nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
        found.set_environment(self._environment)
        return found


def _joined(text: str) -> str:
    """A literal; what has a half without its other may be put together by the template."""
    joined = whole(text)
    return text if "\ufffd" in joined else joined


# What a template builds


def _weight(value: object) -> int:
    """Characters and elements of a value; stops counting beyond the limit."""
    weight, left = 0, [value]
    while left and weight <= LARGEST_BYTES:
        value = left.pop()
        weight += 1
        if isinstance(value, str):
            weight += len(value)
        elif isinstance(value, Mapping):
            left += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            left += value
        elif isinstance(value, Namespace):
            raise SecurityError("a namespace cannot be part of anything")
        elif isinstance(value, int) and abs(value) >= _LARGEST_NUMBER:
            raise TooLarge("a number is too large")
    return weight


def _charged(context: Context, value: Any) -> Any:
    budget = context.parent[_BUDGET_KEY]
    budget._charge(_weight(value))  # noqa: SLF001  # named so that no template can use it
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _weighed(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose result is measured; a lazy result is evaluated at once."""
    passed = getattr(getattr(function, "jinja_pass_arg", None), "name", "")

    @pass_context
    @wraps(function, updated=())
    def call(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        if function in _GROWING:
            _GROWING[function](value, *args, **kwargs)
        first = {"context": context, "eval_context": context.eval_ctx, "environment": context.environment}
        result = function(*((first[passed],) if passed else ()), value, *args, **kwargs)
        return _charged(context, list(result) if isinstance(result, Iterator) else result)

    return call


def _check_replace(text: object, old: object = "", new: object = "", *_: object, **__: object) -> None:
    found = str(text).count(str(old)) if str(old) else len(str(text)) + 1
    _check_product(found, len(str(new)))


def _check_join(value: Any, separator: object = "", *_: object, **kwargs: object) -> None:
    _check_product(len(value) if hasattr(value, "__len__") else 1, len(str(kwargs.get("d", separator))))


def _check_round(_: object, precision: object = 0, *__: object, **___: object) -> None:
    # Python computes 10 ** precision: a large one takes for ever and cannot be interrupted.
    if isinstance(precision, int | float) and abs(precision) > _MOST_PLACES:
        raise TooLarge("it rounds to too many places")


def _check_product(times: int, size: int) -> None:
    if times * size > LARGEST_BYTES:
        raise TooLarge("it builds too much text")


#: Filters that can produce large results are checked beforehand.
_GROWING: Final[Mapping[Callable[..., Any], Callable[..., None]]] = {
    FILTERS["replace"]: _check_replace,
    FILTERS["join"]: _check_join,
    FILTERS["round"]: _check_round,
}


def _tojson(value: object) -> str:
    _check_defined(value)
    return encode_json(value).decode()


def _escape(value: object) -> str:
    return html.escape(str(value))


@pass_context
def _turns(context: Context, value: Any) -> list[Any]:
    turns = list(value)
    context.parent[_BUDGET_KEY]._spend(_TURN * len(turns))  # noqa: SLF001  # as above
    return turns


@pass_context
def _concat(context: Context, parts: list[Any]) -> str:
    _charged(context, parts)
    return "".join(map(str, parts))


@pass_context
def _literal(context: Context, value: Any) -> Any:
    _check_defined(*(value.values() if isinstance(value, dict) else value))
    return _charged(context, value)


def _check_defined(*values: object) -> None:
    for value in values:
        if isinstance(value, Undefined):
            str(value)  # says what is not defined


# Names that no template can use, except as text to `map`, where they are harmless.
_TURNS, _CONCAT, _LITERAL = " turns", " concat", " literal"
_OF_THE_LANGUAGE: Final = {_TURNS: _turns, _CONCAT: _concat, _LITERAL: _literal}
