"""The statements that the product can send to Postgres, read from the sources of its stores.

Found is what a store asks by fetch, fetchrow, fetchval or execute of what it calls `connection` or
`tx`. What is sent in another way, or from elsewhere, only the server's log shows: see `sent`.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from msgspec import Struct

import user_service

ASKING = {"fetch", "fetchrow", "fetchval", "execute"}
CONNECTIONS = {"connection", "tx"}


class Statement(Struct, frozen=True):
    """`place` is the function that sends it, like `account_store.lock`."""

    place: str
    sql: str


def inventory() -> list[Statement]:
    """Of all stores; one whose text depends on an argument once for each value of its type."""
    return [statement for store in stores() for statement in sent_by(store)]


def stores() -> list[ModuleType]:
    modules = pkgutil.walk_packages(user_service.__path__, "user_service.")
    names = (each.name for each in modules)
    return [import_module(name) for name in names if name.endswith(("_store", ".migrate"))]


def sent_by(store: ModuleType, source: str | None = None) -> Iterator[Statement]:
    """One that is found, but whose text cannot be told from the source, raises NameError."""
    name = store.__name__.rpartition(".")[2]
    for function in ast.walk(ast.parse(source or inspect.getsource(store))):
        if isinstance(function, ast.AsyncFunctionDef):
            for text in _texts(function):
                for sql in _values(text, store, getattr(store, function.name, None)):
                    yield Statement(f"{name}.{function.name}", normal(sql))


def normal(sql: str) -> str:
    """Without its line breaks and comments: as people compare statements."""
    lines = (line.partition("--")[0] for line in sql.splitlines())
    return " ".join(" ".join(lines).split())


def _texts(function: ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    for call in ast.walk(function):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        asked = call.func.value
        if call.func.attr in ASKING and isinstance(asked, ast.Name) and asked.id in CONNECTIONS:
            yield call.args[0]


def _values(text: ast.expr, store: ModuleType, function: FunctionType | None) -> Iterator[str]:
    used = {each.id for each in ast.walk(text) if isinstance(each, ast.Name)}
    choices = {name: get_args(kind) for name, kind in _literals(function).items() if name in used}
    code = compile(ast.Expression(text), store.__name__, "eval")
    for chosen in itertools.product(*choices.values()):
        yield eval(code, vars(store), dict(zip(choices, chosen, strict=True)))


def _literals(function: FunctionType | None) -> dict[str, Any]:
    if function is None:
        return {}
    hints = get_type_hints(function, vars(sys.modules[function.__module__]))
    return {name: kind for name, kind in hints.items() if get_origin(kind) is Literal}
