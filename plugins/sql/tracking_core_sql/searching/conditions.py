"""Filters as conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_

from tracking_core.search import (
    And,
    Comparison,
    Expression,
    Field,
    FieldKind,
    Membership,
    Not,
    NullTest,
    Operator,
    Or,
)
from tracking_core_sql.database import Transaction
from tracking_core_sql.schema import HEAD_LENGTH
from tracking_core_sql.searching.patterns import is_within_limits
from tracking_core_sql.searching.places import Place

Leaf = Comparison | Membership | NullTest

# SQLAlchemy compiles by recursion; databases limit the depth of expressions and their number.
MOST_LEVELS = 30
MOST_LEAVES = 400
MOST_LISTED = 5_000


@dataclass(frozen=True)
class Term:
    """A test or its complement."""

    leaf: Leaf
    is_negated: bool = False


@dataclass(frozen=True)
class Group:
    """All or any of some terms, none of which is a group of the same kind."""

    is_all: bool
    terms: tuple[Tree, ...]


Tree = Term | Group
"""A filter whose NOTs stand at its tests alone."""


def tree_of(expression: Expression, *, is_negated: bool = False) -> Tree:
    """Return the tree of a filter; each test is two-valued, so De Morgan's laws hold."""
    if isinstance(expression, Not):
        return tree_of(expression.term, is_negated=not is_negated)
    if not isinstance(expression, (And, Or)):
        return Term(expression, is_negated)
    is_all = isinstance(expression, And) is not is_negated
    terms: list[Tree] = []
    for each in expression.terms:
        term = tree_of(each, is_negated=is_negated)
        if isinstance(term, Group) and term.is_all is is_all:
            terms += term.terms
        else:
            terms.append(term)
    if not is_all:
        terms = _with_lists(terms)
    return terms[0] if len(terms) == 1 else Group(is_all, tuple(terms))


def _with_lists(terms: list[Tree]) -> list[Tree]:
    """Join the alternatives `field = a`, `field = b`, ... to one list."""
    lists: dict[Field, list[int | float | str]] = {}
    for term in terms:
        if _is_equality(term):
            lists.setdefault(term.leaf.field, []).append(term.leaf.value)  # type: ignore[union-attr]
    joined = {field for field, values in lists.items() if len(values) > 1}
    left = [t for t in terms if not (_is_equality(t) and t.leaf.field in joined)]  # type: ignore[union-attr]
    return [*left, *(Term(Membership(f, tuple(lists[f]))) for f in lists if f in joined)]


def _is_equality(term: Tree) -> bool:
    return (
        isinstance(term, Term)
        and not term.is_negated
        and isinstance(term.leaf, Comparison)
        and term.leaf.operator is Operator.EQUAL
    )


def terms_of(tree: Tree | None) -> Iterator[Term]:
    """Yield the tests of a tree."""
    if isinstance(tree, Group):
        for term in tree.terms:
            yield from terms_of(term)
    elif tree is not None:
        yield tree


def is_compilable(tree: Tree | None) -> bool:
    """Tell whether every database can be asked a filter; one as large as no other can't be."""
    count = 0
    for term in terms_of(tree):
        count += 1
        leaf = term.leaf
        if isinstance(leaf, Membership):
            long = sum(isinstance(each, str) and len(each) > HEAD_LENGTH for each in leaf.values)
            is_listed = leaf.field.kind is FieldKind.METRIC and len(leaf.values) > MOST_LISTED
            if is_listed or long > MOST_LEAVES:
                return False
        elif isinstance(leaf, Comparison) and leaf.operator in (Operator.LIKE, Operator.ILIKE):
            ignore_case = leaf.operator is Operator.ILIKE
            if not is_within_limits(str(leaf.value), ignore_case=ignore_case):
                return False
    return count <= MOST_LEAVES and _levels(tree) <= MOST_LEVELS


def _levels(tree: Tree | None) -> int:
    return 1 + max(map(_levels, tree.terms)) if isinstance(tree, Group) else 1


def condition(
    transaction: Transaction, tree: Tree, place: Callable[[Field], Place]
) -> ColumnElement[bool]:
    """Return the condition of a tree, whose fields lie where `place` says."""
    if isinstance(tree, Group):
        conditions = [condition(transaction, term, place) for term in tree.terms]
        return and_(*conditions) if tree.is_all else or_(*conditions)
    leaf = tree.leaf
    its_place = place(leaf.field)
    if isinstance(leaf, NullTest):
        is_there = its_place.is_there()
        return is_there if leaf.negated is not tree.is_negated else ~is_there
    passes = its_place.passes(transaction, leaf)
    return ~passes if tree.is_negated else passes
