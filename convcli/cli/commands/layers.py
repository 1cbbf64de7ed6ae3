"""`convcli layers`: the operations of the notation, or one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from convcli.arithmetic.layers import OPERATIONS
from convcli.arithmetic.notation import find_operation
from convcli.arithmetic.operations import Key, Operation
from convcli.cli.options import OPERATION, json_option
from convcli.cli.output import format_json, format_rows, print_data

MAX_OTHERS = 2  # operations that are named where all others have a key


@click.command(no_args_is_help=False)
@click.argument("operation", required=False, type=OPERATION)
@json_option("One JSON object; for all operations, a list of them.")
def layers(operation: str | None, *, as_json: bool) -> None:
    """List the operations that a LAYER can be, or show one.

    A LAYER is an operation, then its items after a colon: first its own argument, then keys with
    their values and flags, in any order.

    \b
    convcli layers
    convcli layers conv
    """
    if operation is not None:
        found = find_operation(operation)
        print_data(format_json(operation_document(found)) if as_json else operation_text(found))
    elif as_json:
        print_data(format_json([operation_document(found) for found in OPERATIONS.values()]))
    else:
        print_data(operations_text())


def operation_document(operation: Operation) -> dict[str, Any]:
    """Return one operation for JSON."""
    argument = operation.argument
    return {
        "name": operation.name,
        "family": operation.family,
        "syntax": operation.syntax,
        "about": operation.description,
        "example": operation.example,
        "shape": operation.shape_effect,
        "receptive_field": operation.field_effect,
        "argument": None if argument is None else _key_document(operation, argument),
        "keys": [
            {"key": key.name, **_key_document(operation, key)} for key in _known_keys(operation)
        ],
        "flags": [{"flag": flag.name, "about": flag.description} for flag in operation.flags],
    }


def _known_keys(operation: Operation) -> list[Key]:
    """Return the keys that an operation takes: a source has no `from=`."""
    keys = operation.keys.values()
    return [key for key in keys if key.field != "sources" or not operation.is_source]


def _key_document(operation: Operation, key: Key) -> dict[str, str | None]:
    value, default, about = _key_texts(operation, key)
    return {"value": value, "default": default or None, "about": about}


def _key_texts(operation: Operation, key: Key) -> tuple[str, str, str]:
    """Return how the value of a key is written, its default, and its meaning."""
    return key.value, operation.defaults.get(key.name, key.default), key.description


def operation_text(operation: Operation) -> str:
    """Return one operation, and its argument, keys and flags, as two tables."""
    facts = [
        ["what it does", operation.description],
        ["written", operation.syntax],
        ["example", operation.example],
        ["shape", operation.shape_effect],
        ["receptive field", operation.field_effect],
    ]
    items = _items(operation)
    if operation.argument is not None and operation.argument.name not in operation.keys:
        items.insert(0, _key_texts(operation, operation.argument))
    return _tables((facts, [operation.name, ""]), (items, ["item", "default", "what it is"]))


def operations_text() -> str:
    """Return all operations, what they do to shape and field, and their keys, as tables."""
    operations = OPERATIONS.values()
    items: dict[tuple[str, str, str], list[str]] = {}
    for operation in operations:
        for item in _items(operation):
            items.setdefault(item, []).append(operation.name)
    labels = [label for label, _, _ in items]
    rows = [
        (*item, _list_operations(names))
        for item, names in sorted(items.items(), key=lambda pair: labels.index(pair[0][0]))
    ]
    examples = [(found.syntax, found.example, found.description) for found in operations]
    effects = [(found.name, found.shape_effect, found.field_effect) for found in operations]
    return _tables(
        (examples, ["operation", "example", "what it does"]),
        (effects, ["operation", "shape", "receptive field"]),
        (rows, ["item", "default", "what it is", "of"]),
    )


def _items(operation: Operation) -> list[tuple[str, str, str]]:
    """Return the keys and flags of an operation: how each is written, its default, its meaning."""
    items = []
    for key in _known_keys(operation):
        value, default, about = _key_texts(operation, key)
        items.append((f"{key.name}={value}", default, about))
    return items + [(flag.name, "", flag.description) for flag in operation.flags]


def _list_operations(names: Sequence[str]) -> str:
    others = [name for name in OPERATIONS if name not in names]
    if len(others) > MAX_OTHERS:
        return ", ".join(names)
    return f"all but {', '.join(others)}" if others else "all"


def _tables(*tables: tuple[Sequence[Sequence[str]], Sequence[str]]) -> str:
    return "\n\n".join(
        format_rows("table", headings, rows, left=headings) for rows, headings in tables
    )
