"""Named tuples whose classes are quick to define.

`typing.NamedTuple` compiles a constructor and each annotation of a class: that takes ten times as
long as to define any other class, and a command loads dozens of them. The `NamedTuple` of this
module is written and used in the same way, and compiles nothing.
"""

from __future__ import annotations

__all__ = ["NamedTuple"]

TYPE_CHECKING = False  # that of `typing`, which takes long to load
if TYPE_CHECKING:
    from inspect import Signature
    from typing import NamedTuple, Self
else:
    from collections import _tuplegetter

    class _NamedTupleType(type):
        """The type of named tuples, which makes the annotated names of a class body its fields."""

        def __new__(
            cls: type, name: str, bases: tuple[type, ...], namespace: dict[str, object]
        ) -> type:
            if bases == (NamedTuple,):
                fields = tuple(namespace.get("__annotations__", ()))
                defaults = {field: namespace[field] for field in fields if field in namespace}
                if fields[len(fields) - len(defaults) :] != tuple(defaults):
                    raise TypeError(f"{name}: fields with a default come last")
                namespace |= {
                    field: _tuplegetter(index, f"Alias for field number {index}")
                    for index, field in enumerate(fields)
                }
                namespace |= {
                    "_fields": fields, "_field_defaults": defaults, "__match_args__": fields,
                    "__slots__": (),
                }  # fmt: skip
            return type.__new__(cls, name, bases, namespace)

        @property
        def __signature__(cls) -> Signature:
            """What `help` and editors show of the constructor."""
            from inspect import Parameter, Signature

            kind, defaults = Parameter.POSITIONAL_OR_KEYWORD, cls._field_defaults
            return Signature(
                [
                    Parameter(field, kind, default=defaults.get(field, Parameter.empty))
                    for field in cls._fields
                ]
            )

    class _FieldsTuple(tuple):
        """The constructor and the methods of all named tuples."""

        __slots__ = ()

        def __new__(cls, *values: object, **named: object) -> Self:
            if named or len(values) != len(cls._fields):
                others = cls._fields[len(values) :]
                known = cls._field_defaults | named
                try:
                    values += tuple([known[name] for name in others])
                except KeyError as error:
                    raise TypeError(f"{cls.__name__} misses a value of {error}") from None
                if len(values) > len(cls._fields) or any(name not in others for name in named):
                    fields = ", ".join(cls._fields)
                    raise TypeError(f"{cls.__name__} has the fields {fields}, once each")
            return tuple.__new__(cls, values)

        @classmethod
        def _make(cls, values: object) -> Self:
            """Return a tuple of the values of all fields."""
            made = tuple.__new__(cls, values)
            if len(made) != len(cls._fields):
                raise TypeError(f"{cls.__name__} has {len(cls._fields)} fields, not {len(made)}")
            return made

        def _replace(self, **named: object) -> Self:
            """Return the tuple with other values of some fields."""
            made = tuple.__new__(type(self), map(named.pop, self._fields, self))
            if named:
                raise ValueError(f"{type(self).__name__} has no fields {', '.join(named)}")
            return made

        def _asdict(self) -> dict[str, object]:
            """Return the values by the names of the fields."""
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self) -> str:
            values = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
            return f"{type(self).__name__}({values})"

        def __getnewargs__(self) -> tuple[object, ...]:
            return tuple(self)

    NamedTuple = None  # before it is defined: no class is a subclass of it
    NamedTuple = _NamedTupleType("NamedTuple", (_FieldsTuple,), {"__slots__": ()})
