"""The tree of errors."""

from __future__ import annotations

import builtins
import inspect

import pytest

from tracking_core import errors
from tracking_core.errors import FilterSyntaxError, TrackingError

CLASSES = [getattr(errors, name) for name in errors.__all__]


def test_every_error_is_public_and_drawn_in_the_tree() -> None:
    defined = [
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, TrackingError)
    ]
    assert sorted(defined) == sorted(errors.__all__)
    drawn = (errors.__doc__ or "").split("```")[1]
    for name in errors.__all__:
        assert name in drawn


@pytest.mark.parametrize("error", CLASSES)
def test_an_error_has_the_twin_and_the_parent_that_the_tree_says(
    error: type[TrackingError],
) -> None:
    assert issubclass(error, TrackingError)
    (line,) = [
        line
        for line in (errors.__doc__ or "").splitlines()
        if line.lstrip("│├└─ ").split(" ")[0] == error.__name__
    ]
    twins = [name for name in vars(builtins) if f"({name})" in line]
    for name in twins:
        assert issubclass(error, getattr(builtins, name))


@pytest.mark.parametrize("error", [each for each in CLASSES if each is not FilterSyntaxError])
def test_the_sentence_of_an_error_is_its_text_and_its_message(
    error: type[TrackingError],
) -> None:
    made = error("What was wrong; what to do.")
    assert str(made) == made.message == "What was wrong; what to do."
    assert made.error_code == made.error_code.upper()


def test_a_syntax_error_knows_the_place() -> None:
    error = FilterSyntaxError("Told.", text="a = ", position=4, expected="a value")
    assert (error.text, error.position, error.expected) == ("a = ", 4, "a value")
    assert isinstance(error, ValueError)
