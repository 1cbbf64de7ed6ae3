"""Named tuples behave as those of `typing` do, which are the oracle here."""

from __future__ import annotations

import copy
import inspect
import pickle
import typing
from collections.abc import Callable
from typing import Any

import pytest

from convcli import records


class Ours(records.NamedTuple):
    """A record."""

    first: int
    second: str = "b"
    third: tuple[int, ...] = ()

    @property
    def total(self) -> int:
        return self.first + sum(self.third)


class Theirs(typing.NamedTuple):
    """A record."""

    first: int
    second: str = "b"
    third: tuple[int, ...] = ()

    @property
    def total(self) -> int:
        return self.first + sum(self.third)


Make = Callable[[Any], Any]  # of one of the classes
USES: tuple[Make, ...] = (
    lambda made: made(1),
    lambda made: made(1, "x", (2, 3)),
    lambda made: made(third=(4,), first=1),
    lambda made: made(1, third=(4,)),
    lambda made: made._make([1, "x", ()]),
    lambda made: made(1)._replace(second="y", third=(1,)),
    lambda made: made(1)._replace(),
    lambda made: made(1, "x")._asdict(),
    lambda made: made(1, "x", (5,)).total,
    lambda made: made(1).second,
    lambda made: (made(1) == made(1, "b", ()), made(1) == (1, "b", ()), made(1) < made(2)),
    lambda made: hash(made(1, "x")),
    lambda made: repr(made(1, "x")).partition("(")[2],
    lambda made: (made._fields, made._field_defaults, made.__match_args__, made.__doc__),
    lambda made: [*made(1), len(made(1)), made(1)[1], made(1)[:2], "b" in made(1)],
    lambda made: copy.deepcopy(made(1, "x", (2,))),
    lambda made: pickle.loads(pickle.dumps(made(1, "x", (2,)))),
)
ERRORS: tuple[Make, ...] = (
    lambda made: made(),
    lambda made: made(second="x"),
    lambda made: made(1, "x", (), 4),
    lambda made: made(1, first=1),
    lambda made: made(1, fourth=1),
    lambda made: made(1)._replace(fourth=1),
    lambda made: made._make([1, "x", (), 4]),
    lambda made: made._make([1]),
    lambda made: setattr(made(1), "first", 2),
    lambda made: setattr(made(1), "fourth", 2),
)


@pytest.mark.parametrize("use", USES)
def test_named_tuples_are_those_of_typing(use: Make) -> None:
    assert use(Ours) == use(Theirs)


@pytest.mark.parametrize("use", ERRORS)
def test_they_refuse_what_those_of_typing_refuse(use: Make) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011  # of any class: the same one
        use(Theirs)
    with pytest.raises(theirs.type):
        use(Ours)


def test_a_copy_is_of_the_same_class() -> None:
    made = pickle.loads(pickle.dumps(Ours(1)))
    assert type(made) is type(made._replace(first=2)) is type(Ours._make(made)) is Ours


def test_a_class_of_such_a_class_adds_no_fields() -> None:
    class Derived(Ours):
        extra: int = 5

    assert Derived(1) == (1, "b", ())
    assert (Derived.extra, type(Derived(1))) == (5, Derived)


def test_fields_with_a_default_come_last() -> None:
    with pytest.raises(TypeError, match="come last"):

        class Wrong(records.NamedTuple):
            first: int = 1
            second: int  # type: ignore[misc]


def test_the_constructor_shows_its_fields() -> None:
    ours, theirs = (inspect.signature(record).parameters for record in (Ours, Theirs))
    assert list(ours) == list(theirs)
    for one, other in zip(ours.values(), theirs.values(), strict=True):
        assert (one.kind, one.default) == (other.kind, other.default)
