"""Which files of a run must be looked at, to believe what is known of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tracking_core.entities import Run
from tracking_core.search.ast import (
    And,
    Comparison,
    Expression,
    Field,
    FieldKind,
    Membership,
    Not,
    NullTest,
    Or,
    Subject,
)
from tracking_core.stores import RUN_NAME_TAG, RunQuery
from tracking_core_file.layout import DATASETS, INPUTS, META, METRICS, PARAMS, PRIVATE, TAGS
from tracking_core_file.run_files import RunEntry
from tracking_core_file.stamps import ABSENT

_PART_BY_KIND = {FieldKind.METRIC: METRICS, FieldKind.PARAM: PARAMS, FieldKind.TAG: TAGS}

_Selection = tuple[tuple[int, str], ...]
_Predicate = Callable[[Run], bool]


@dataclass(frozen=True)
class _Plan:
    """What to look at in a run with a certain list of paths.

    Attributes:
        terms: Each term of the filter's conjunction that can be told by itself, with its files.
        needed: All files that the query needs.
        rest: All others.
    """

    terms: tuple[tuple[_Predicate, _Selection], ...]
    needed: _Selection
    rest: _Selection


class Check:
    """Looks at no more of a run's files than a query makes needed; with None at all of them.

    A term that doesn't hold by what is known, and whose files are as they were, rules the run out,
    whatever else has changed.
    """

    def __init__(self, query: RunQuery | None) -> None:
        self._query = query
        self._terms = [] if query is None else list(_terms(query))
        # Runs share their lists of paths, which live as long as their entries.
        self._plans: dict[int, _Plan] = {}

    def __call__(self, entry: RunEntry, directory: str) -> bool | None:
        """Return whether a run may match; None if it has to be read again to tell."""
        plan = self._plan(entry)
        run = entry.run
        for predicate, selection in plan.terms:
            if not predicate(run):
                return False if _is_unchanged(entry, selection, directory) else None
        return True if _is_unchanged(entry, plan.needed, directory) else None

    def rest(self, entry: RunEntry, directory: str) -> bool:
        """Return whether the files of a run that the query doesn't need are as they were."""
        return _is_unchanged(entry, self._plan(entry).rest, directory)

    def _plan(self, entry: RunEntry) -> _Plan:
        plan = self._plans.get(id(entry.paths))
        if plan is None:
            plan = self._plans[id(entry.paths)] = self._make_plan(entry)
        return plan

    def _make_plan(self, entry: RunEntry) -> _Plan:
        everything = tuple(enumerate(entry.paths))
        if self._query is None:
            return _Plan((), everything, ())
        selections = [(predicate, _needed(entry, fields)) for predicate, fields in self._terms]
        needed = {number for _, selection in selections for number, _ in selection}
        needed |= {number for number, _ in _always(entry)}
        return _Plan(
            terms=tuple((p, selection) for p, selection in selections if p is not None),
            needed=tuple(each for each in everything if each[0] in needed),
            rest=tuple(each for each in everything if each[0] not in needed),
        )


def _terms(query: RunQuery) -> Iterator[tuple[_Predicate | None, list[Field]]]:
    """Yield the terms of a query's conjunction with their fields, those first that rule out."""
    from tracking_core.search import compile_filter  # deferred: most processes never search

    terms: tuple[Expression, ...] = ()
    if query.filter is not None:
        terms = query.filter.terms if isinstance(query.filter, And) else (query.filter,)
    rest = [order.field for order in query.order_by]
    for term in terms:
        fields = list(_fields(term))
        if all(field.kind in _PART_BY_KIND for field in fields):
            yield compile_filter(term, Subject.RUNS), fields
        else:
            rest += fields
    yield None, rest


def _is_unchanged(entry: RunEntry, selection: _Selection, directory: str) -> bool:
    """Tell whether the selected files of a run are as they were."""
    stamps = entry.stamps
    base = directory + "/"
    get_status = os.stat
    number = 0
    try:
        for number, path in selection:
            status = get_status(base + path)
            # As `stamp_of` does; a call for each of a hundred thousand files would be felt.
            if stamps[number] != hash(
                (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
            ):
                return False
    except OSError:
        return stamps[number] == ABSENT and _is_unchanged(
            entry, tuple(each for each in selection if each[0] > number), directory
        )
    return True


def _needed(entry: RunEntry, fields: Iterable[Field]) -> _Selection:
    """Select the files of a run that say what it has in these fields, and its stage."""
    numbers = {path: number for number, path in enumerate(entry.paths)}
    needed = {path for path in numbers if path.startswith(f"{PRIVATE}/")} if fields else set()
    for field in fields:
        part, key = _PART_BY_KIND.get(field.kind), field.key
        if field.kind is FieldKind.DATASET:
            inputs = (f"{INPUTS}/", f"../{DATASETS}/")
            needed |= {"", *(path for path in numbers if path.startswith(inputs))}
            continue
        if field.kind is FieldKind.ATTRIBUTE:
            if key != "run_name":
                continue
            part, key = TAGS, RUN_NAME_TAG
        if f"{part}/{key}" in numbers:
            needed.add(f"{part}/{key}")
        else:  # a key that isn't there shows in no file but in the directories
            needed |= {""}
            needed |= {p for p in numbers if p.startswith(f"{part}/") and p.endswith("/")}
    return tuple(sorted((numbers[path], path) for path in needed if path in numbers))


def _always(entry: RunEntry) -> _Selection:
    """Select the file that says whether it is a run, and in which stage."""
    return ((entry.paths.index(META), META),)


def _fields(expression: Expression) -> Iterator[Field]:
    """Yield the fields that an expression looks at."""
    if isinstance(expression, (And, Or)):
        for term in expression.terms:
            yield from _fields(term)
    elif isinstance(expression, Not):
        yield from _fields(expression.term)
    elif isinstance(expression, (Comparison, Membership, NullTest)):
        yield expression.field
