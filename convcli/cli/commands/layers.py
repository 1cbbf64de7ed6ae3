"""`convcli layers`: the operations of the notation, or one of them."""

from __future__ import annotations

from typing import Any

import click

from convcli.arithmetic.notation import find_operation
from convcli.arithmetic.operations import OPERATIONS
from convcli.arithmetic.operations.operation import Operation
from convcli.cli.options import OPERATION, json_option
from convcli.cli.output import format_json, format_rows, print_data


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
        return
    documents = [operation_document(found) for found in OPERATIONS.values()]
    print_data(format_json(documents) if as_json else operations_text())


def operation_document(operation: Operation) -> dict[str, Any]:
    """One operation for JSON."""
    keys = [
        {"key": name, "value": value, "default": default or None, "about": about}
        for name, value, default, about in _items(operation)
    ]
    return {
        "name": operation.name,
        "family": operation.family,
        "syntax": operation.syntax,
        "about": operation.description,
        "example": operation.example,
        "shape": operation.shape_effect,
        "receptive_field": operation.field_effect,
        "keys": keys,
        "flags": [{"flag": flag.name, "about": flag.description} for flag in operation.flags],
    }


def operation_text(operation: Operation) -> str:
    """One operation, and a table of its keys and flags."""
    facts = [
        ["what it does", operation.description],
        ["written", operation.syntax],
        ["example", operation.example],
        ["shape", operation.shape_effect],
        ["receptive field", operation.field_effect],
    ]
    items = [
        [f"{name}={value}" if name else value, default, about]
        for name, value, default, about in _items(operation)
    ]
    items += [[flag.name, "", flag.description] for flag in operation.flags]
    tables = [
        ([operation.name, ""], facts),
        (["item", "default", "what it is"], items),
    ]
    return _join_tables(tables)


def operations_text() -> str:
    """All operations, what they do to shape and receptive field, and their keys, as tables."""
    operations = OPERATIONS.values()
    written = [[one.syntax, one.example, one.description] for one in operations]
    effects = [[one.name, one.shape_effect, one.field_effect] for one in operations]
    tables = [
        (["operation", "example", "what it does"], written),
        (["operation", "shape", "receptive field"], effects),
        (["item", "default", "what it is", "of"], _item_rows()),
    ]
    return _join_tables(tables)


def _join_tables(tables: list[tuple[list[str], list[list[str]]]]) -> str:
    return "\n\n".join(
        format_rows("table", headings, rows, left=headings) for headings, rows in tables
    )


def _items(operation: Operation) -> list[tuple[str, str, str, str]]:
    """The own argument and the keys: name (empty where it has none), value, default, meaning."""
    argument = operation.argument
    keys = list(operation.keys.values())
    own = [] if argument is None or argument in keys else [("", argument)]
    return [
        (name, key.value, operation.defaults.get(key.name, key.default), key.description)
        for name, key in (*own, *operation.keys.items())
    ]


def _item_rows() -> list[list[str]]:
    """Every key and flag once for each default that it has, with the operations that take it."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for operation in OPERATIONS.values():
        for name, value, default, about in _items(operation):
            if name:
                rows.setdefault((f"{name}={value}", default, about), []).append(operation.name)
        for flag in operation.flags:
            rows.setdefault((flag.name, "", flag.description), []).append(operation.name)
    items = [item for item, _, _ in rows]
    return [
        [*row, "all" if len(names) == len(OPERATIONS) else ", ".join(names)]
        for row, names in sorted(rows.items(), key=lambda one: items.index(one[0][0]))
    ]
