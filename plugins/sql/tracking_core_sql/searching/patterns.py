"""LIKE and ILIKE in each dialect, exactly as the reference evaluator reads patterns.

ILIKE means what Python's `re.IGNORECASE` means. Databases fold case by tables of their own, so
only the letters of the pattern are folded, by replacing each character that equals one of them
(`k`, `K` and the Kelvin sign) with one representative, on both sides.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from sqlalchemy import ColumnElement, func

ANY, ONE = object(), object()
"""The wildcards `%` and `_` among the parts of a pattern; other parts are text."""

Part = object

_ESCAPE = "!"
# Beyond this, sqlite refuses a pattern of GLOB.
LONGEST_PATTERN = 40_000
# MariaDB folds by one call of REPLACE in another for each character.
MOST_FOLDED = 60


@functools.lru_cache(maxsize=256)
def parts_of(pattern: str) -> tuple[Part, ...]:
    """Return the text and the wildcards of a pattern; neighbouring text is one part."""
    parts: list[Part] = []
    for escaped, wildcard, plain in re.findall(r"\\([%_\\])|([%_])|([^%_\\]+|\\)", pattern):
        text = escaped or plain
        if wildcard:
            parts.append(ANY if wildcard == "%" else ONE)
        elif parts and isinstance(parts[-1], str):
            parts[-1] += text
        else:
            parts.append(text)
    return tuple(parts)


@functools.lru_cache(maxsize=4096)
def same_but_for_case(character: str) -> str:
    """Return all characters that equal this one when case is ignored, itself among them."""
    return "".join(re.findall(re.escape(character), _cased(), re.IGNORECASE)) or character


@functools.lru_cache(maxsize=1)
def _cased() -> str:
    """Return all characters that have a case; there are none beyond the first two planes."""
    return "".join(
        character
        for character in map(chr, range(0x20000))
        if character.lower() != character
        or character.upper() != character
        or character.title() != character
        or character.casefold() != character
    )


def is_within_limits(pattern: str, *, ignore_case: bool) -> bool:
    """Tell whether every dialect can match the pattern."""
    if not ignore_case:
        return len(pattern.encode("utf-8", "surrogatepass")) * 3 <= LONGEST_PATTERN
    letters = {each for each in pattern if len(same_but_for_case(each)) > 1}
    folded = {each for letter in letters for each in same_but_for_case(letter)}
    return len(folded) <= 2 * MOST_FOLDED and len(pattern) * 12 <= LONGEST_PATTERN


def matches(
    text: ColumnElement[str], parts: Sequence[Part], *, ignore_case: bool, dialect: str
) -> ColumnElement[bool]:
    """Return the condition that a text matches a pattern as a whole."""
    if dialect == "sqlite":
        # Its LIKE ignores the case of ASCII, always or never by a setting of the connection.
        return text.op("GLOB", is_comparison=True)(_glob(parts, ignore_case=ignore_case))
    if ignore_case and dialect != "mssql":
        folds = _folds(parts)
        text = _folded(text, folds, dialect)
        parts = [
            "".join(folds.get(each, each) for each in part) if isinstance(part, str) else part
            for part in parts
        ]
    sets = ignore_case and dialect == "mssql"
    return text.like(_like(parts, sets=sets), escape=_ESCAPE)


def _glob(parts: Sequence[Part], *, ignore_case: bool) -> str:
    glob = ""
    for part in parts:
        if not isinstance(part, str):
            glob += "*" if part is ANY else "?"
            continue
        for character in part:
            same = same_but_for_case(character) if ignore_case else character
            glob += f"[{same}]" if len(same) > 1 or character in "*?[" else character
    return glob


def _like(parts: Sequence[Part], *, sets: bool) -> str:
    like = ""
    for part in parts:
        if not isinstance(part, str):
            like += "%" if part is ANY else "_"
            continue
        for character in part:
            same = same_but_for_case(character) if sets else character
            if len(same) > 1:
                like += f"[{same}]"
            else:
                # The bracket begins a set of characters on SQL Server.
                like += _ESCAPE + character if character in f"%_[{_ESCAPE}" else character
    return like


def _folds(parts: Sequence[Part]) -> dict[str, str]:
    """Return the representative of each character that equals a letter of the pattern."""
    folds: dict[str, str] = {}
    for letter in {each for part in parts if isinstance(part, str) for each in part}:
        same = same_but_for_case(letter)
        folds |= {other: min(same) for other in same if other != min(same)}
    return folds


def _folded(text: ColumnElement[str], folds: dict[str, str], dialect: str) -> ColumnElement[str]:
    if not folds:
        return text
    if dialect == "postgresql":
        return func.translate(text, "".join(folds), "".join(folds.values()), type_=text.type)
    for character in sorted(folds):
        text = func.replace(text, character, folds[character], type_=text.type)
    return text
