"""Text of filters and orders to their meaning.

```
filter     = or
or         = and ("OR" and)*
and        = not ("AND" not)*
not        = "NOT"* ( "(" or ")" | test )
test       = field ( operator value
                   | ["NOT"] "IN" "(" value ("," value)* [","] ")"
                   | "IS" ["NOT"] "NULL" )
field      = [prefix "."] key        a key or prefix may stand in backticks or double quotes
value      = number | 'text' | "text"
clause     = field ["ASC" | "DESC"]
```

Keywords are of any case; names are not. A doubled quote inside quotes is a quote, and so is one
after a backslash; other backslashes are themselves, since LIKE has a use for them. Beside this,
MLflow takes filters that lack an AND or end in one; those are mistakes, and are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tracking_core.errors import FilterSyntaxError
from tracking_core.search.ast import (
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
    OrderBy,
    Subject,
)
from tracking_core.search.tokens import Token, syntax_error, tokenise, visible
from tracking_core.search.vocabulary import Column, ValueType, vocabulary

MAX_LENGTH = 1_000_000
"""The longest filter, in characters: some 25,000 run ids in a list."""

MAX_NESTING = 50
"""How many parentheses and NOTs may be open at once."""

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_NOT_FINITE = re.compile(r"nan|[+-]?inf(?:inity)?", re.IGNORECASE | re.ASCII)
_OPERATORS = {operator.value: operator for operator in Operator}
_MISTAKEN_OPERATORS = {"==": "=", "<>": "!=", "!": "!="}
_MISTAKEN_WORDS = {"&&": "AND", "&": "AND", "||": "OR", "|": "OR"}
_KEYWORDS = {"AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "ILIKE"}
_PLURALS = {
    FieldKind.ATTRIBUTE: "attributes",
    FieldKind.METRIC: "metrics",
    FieldKind.PARAM: "params",
    FieldKind.TAG: "tags",
    FieldKind.DATASET: "data sets",
}


def parse_filter(text: str | None, subject: Subject) -> Expression | None:
    """Parse a filter; None and blank text are None, which matches everything.

    Raises:
        FilterSyntaxError: It isn't a filter of this subject.
    """
    if text is None:
        return None
    if not isinstance(text, str):
        raise FilterSyntaxError(
            f"A filter is text, not of type {type(text).__name__}.", text="", position=0
        )
    _check_length(text, "filter")
    if not text or text.isspace():
        return None
    return _Parser(text, subject).filter()


def parse_order_by(clauses: Sequence[str], subject: Subject) -> tuple[OrderBy, ...]:
    """Parse the clauses of an order, such as `metrics.loss ASC`; none is the default order.

    Raises:
        FilterSyntaxError: One of them isn't a clause of this subject.
    """
    if isinstance(clauses, str):
        raise FilterSyntaxError(
            f"An order is a list of clauses, not text: pass [{clauses!r}].",
            text=clauses,
            position=0,
        )
    orders = []
    for clause in clauses:
        if not isinstance(clause, str):
            raise FilterSyntaxError(
                f"A clause of an order is text, not of type {type(clause).__name__}.",
                text="",
                position=0,
            )
        _check_length(clause, "clause")
        orders.append(_Parser(clause, subject).order())
    return tuple(orders)


def _check_length(text: str, what: str) -> None:
    if len(text) > MAX_LENGTH:
        raise syntax_error(
            f"The {what} has {len(text):,} characters; at most {MAX_LENGTH:,} are allowed.",
            text=text,
            position=MAX_LENGTH,
            expected=f"the end of the {what}",
        )


class _Group:
    """What stands between two parentheses, as far as it is read."""

    __slots__ = ("alternatives", "negations", "opened_at", "terms")

    def __init__(self, opened_at: Token) -> None:
        self.opened_at = opened_at
        self.alternatives: list[Expression] = []
        self.terms: list[Expression] = []
        self.negations = 0

    def add(self, term: Expression) -> None:
        for _ in range(self.negations):
            term = Not(term)
        self.negations = 0
        self.terms.append(term)

    def begin_alternative(self) -> None:
        terms = self.terms
        self.alternatives.append(terms[0] if len(terms) == 1 else And(tuple(terms)))
        self.terms = []

    def close(self) -> Expression:
        self.begin_alternative()
        alternatives = self.alternatives
        return alternatives[0] if len(alternatives) == 1 else Or(tuple(alternatives))


class _Named(NamedTuple):
    """A field as it stands in the text."""

    field: Field
    column: Column
    shown: str


class _Parser:
    def __init__(self, text: str, subject: Subject) -> None:
        self.text = text
        self.words = vocabulary(subject)
        self.tokens = tokenise(text)
        self.index = 0

    # --- structure ---

    def filter(self) -> Expression:
        # A stack of its own rather than Python's: deep text must not overflow that.
        groups = [_Group(self.tokens[0])]
        nesting = 0
        while True:
            token = self.tokens[self.index]
            keyword = self.keyword(token)
            opens = token.text == "("
            if keyword == "NOT" or opens:
                self.index += 1
                nesting += 1
                if nesting > MAX_NESTING:
                    raise self.error(
                        "The filter is nested too deeply:"
                        f" at most {MAX_NESTING} parentheses and NOTs may be open at once.",
                        token,
                    )
                if opens:
                    groups.append(_Group(token))
                else:
                    groups[-1].negations += 1
                continue
            term = self.test()
            while True:
                nesting -= groups[-1].negations
                groups[-1].add(term)
                token = self.tokens[self.index]
                if len(groups) == 1 or token.text != ")":
                    break
                self.index += 1
                nesting -= 1
                term = groups.pop().close()
            keyword = self.keyword(token)
            if keyword == "AND":
                self.index += 1
            elif keyword == "OR":
                self.index += 1
                groups[-1].begin_alternative()
            elif token.kind == "end" and len(groups) == 1:
                return groups[0].close()
            elif token.kind == "end":
                raise self.error(
                    "The parenthesis is never closed; expected ) before the end of the filter.",
                    groups[-1].opened_at,
                    expected=")",
                )
            else:
                raise self.unexpected_after_test(token, nested=len(groups) > 1)

    def order(self) -> OrderBy:
        named = self.named_field()
        if named.column.sorted_by is None:
            raise self.error(
                f"{named.shown} can have several values, so nothing can be ordered by it.",
                self.tokens[0],
            )
        token = self.tokens[self.index]
        ascending = True
        direction = token.text.upper() if token.kind == "word" else ""
        if direction in ("ASC", "DESC"):
            ascending = direction == "ASC"
            self.index += 1
            token = self.tokens[self.index]
        if token.text == ",":
            raise self.error(
                "A clause of an order names one field; pass a list with one clause for each.",
                token,
                expected="the end of the clause",
            )
        if token.kind != "end" and direction in ("ASC", "DESC"):
            raise self.expected("the end of the clause", f"after {direction}", token)
        if token.kind != "end":
            raise self.expected("ASC or DESC", f"after {named.shown}", token)
        return OrderBy(named.field, ascending)

    # --- tests ---

    def test(self) -> Expression:
        named = self.named_field()
        token = self.tokens[self.index]
        if token.kind == "operator":
            self.index += 1
            operator = _OPERATORS.get(token.text)
            if operator is None:
                right = _MISTAKEN_OPERATORS[token.text]
                raise self.error(
                    f"{token.text} is no operator here; write {right}.", token, expected=right
                )
            return self.comparison(named, operator, token)
        keyword = self.keyword(token)
        if keyword in ("LIKE", "ILIKE"):
            self.index += 1
            return self.comparison(named, _OPERATORS[keyword], token)
        if keyword == "IN":
            self.index += 1
            return Membership(named.field, self.values(named))
        if keyword == "IS":
            self.index += 1
            return self.null_test(named)
        if keyword == "NOT":
            following = self.keyword(self.tokens[self.index + 1])
            if following == "IN":
                self.index += 2
                return Membership(named.field, self.values(named), negated=True)
            if following in ("LIKE", "ILIKE"):
                raise self.error(
                    f"NOT stands before the field: write NOT {named.shown} {following} ....",
                    token,
                    expected="NOT before the field",
                )
            self.index += 1
            raise self.expected("IN", f"after {named.shown} NOT", self.tokens[self.index])
        raise self.expected(f"{_operators_of(named.column)}", f"after {named.shown}", token)

    def comparison(self, named: _Named, operator: Operator, token: Token) -> Comparison:
        kind = named.column.type
        if operator not in kind.operators:
            what = "text" if kind is ValueType.TEXT else "a number"
            raise self.error(
                f"{named.shown} is {what}, which {operator.value} doesn't compare;"
                f" expected {_operators_of(named.column)}.",
                token,
                expected=_operators_of(named.column),
            )
        return Comparison(named.field, operator, self.value(named, f"after {operator.value}"))

    def null_test(self, named: _Named) -> NullTest:
        token = self.tokens[self.index]
        negated = self.keyword(token) == "NOT"
        if negated:
            self.index += 1
            token = self.tokens[self.index]
        if self.keyword(token) != "NULL":
            if negated:
                raise self.expected("NULL", "after IS NOT", token)
            raise self.expected("NULL or NOT NULL", "after IS", token)
        self.index += 1
        return NullTest(named.field, negated)

    def values(self, named: _Named) -> tuple[int | float | str, ...]:
        opening = self.tokens[self.index]
        if opening.text != "(":
            raise self.expected("a list in parentheses", "after IN", opening)
        self.index += 1
        if self.tokens[self.index].text == ")":
            raise self.error(
                "The list of IN is empty; expected at least one value.",
                self.tokens[self.index],
                expected="a value",
            )
        values = [self.value(named, "in the list")]
        while True:
            token = self.tokens[self.index]
            if token.text == ",":
                self.index += 1
                if self.tokens[self.index].text != ")":
                    values.append(self.value(named, "in the list"))
            elif token.text == ")":
                self.index += 1
                return tuple(values)
            elif token.kind == "end":
                raise self.error(
                    "The list of IN is never closed; expected ) before the end of the filter.",
                    opening,
                    expected=")",
                )
            else:
                raise self.expected(", or )", "in the list", token)

    def value(self, named: _Named, where: str) -> int | float | str:
        token = self.tokens[self.index]
        column = named.column
        if self.keyword(token) == "NULL":
            raise self.error(
                f"Nothing equals NULL; write {named.shown} IS NULL or IS NOT NULL.",
                token,
                expected="IS NULL",
            )
        if column.type is ValueType.NUMBER:
            text = token.text
            if token.is_string and column.quoted_numbers:
                text = token.unquoted
            elif token.kind != "word":
                text = ""
            number = _number(text, whole=named.field.kind is not FieldKind.METRIC)
            if number is not None:
                self.index += 1
                return number
            if token.is_string:
                raise self.error(
                    f"{named.shown} is a number; expected a number without quotes {where},"
                    f" found {visible(token.text)}.",
                    token,
                    expected="a number",
                )
            raise self.expected("a number", where, token)
        if token.is_string:
            self.index += 1
            return token.unquoted
        if token.kind == "word":
            if column.bare_text and _NUMBER.fullmatch(token.text):
                self.index += 1
                return token.text
            raise self.error(
                f"{named.shown} is text; expected text in quotes {where},"
                f" such as '{visible(token.text)}', found {visible(token.text)}.",
                token,
                expected="text in quotes",
            )
        raise self.expected("text in quotes", where, token)

    # --- fields ---

    def named_field(self) -> _Named:
        start = token = self.tokens[self.index]
        if token.kind == "word":
            self.index += 1
            prefix, dot, key = token.text.partition(".")
            if not dot:
                return self.attribute(token, prefix)
            at = token.start + len(prefix) + 1
            if self.follows_closely(token, quoted=True) and token.text.endswith("."):
                if key:
                    raise self.error(
                        "A key is in quotes as a whole or not at all, as in metrics.`a.b`.",
                        self.tokens[self.index],
                        position=at,
                        expected="a quoted key",
                    )
                key = self.tokens[self.index].unquoted
                self.index += 1
        elif token.is_name:
            self.index += 1
            prefix = token.unquoted
            following = self.tokens[self.index]
            if not (self.follows_closely(token) and following.text.startswith(".")):
                return self.attribute(token, prefix)
            self.index += 1
            key, at = following.text[1:], following.start + 1
            if not key and self.follows_closely(following, quoted=True):
                key = self.tokens[self.index].unquoted
                self.index += 1
        else:
            raise self.expected("a field", "", token)
        kind = self.kind(start, prefix)
        if not key:
            following = self.tokens[self.index]
            if following.kind == "unclosed" and following.start == at:
                raise self.expected("a key", "", following)
            raise self.error(
                f"The key after {visible(prefix)}. is missing.",
                start,
                position=at,
                expected="a key",
            )
        return self.resolved(kind, key, start, at)

    def follows_closely(self, token: Token, *, quoted: bool = False) -> bool:
        following = self.tokens[self.index]
        wanted = following.is_name if quoted else following.kind == "word"
        return wanted and following.start == token.end

    def attribute(self, token: Token, name: str) -> _Named:
        field = self.words.field_of_name.get((FieldKind.ATTRIBUTE, name))
        if field is None and token.kind == "word":
            if name.upper() in _KEYWORDS:
                raise self.expected("a field", "", token)
            if _NUMBER.fullmatch(name):
                raise self.error(
                    f"Expected a field, found the number {visible(name)};"
                    " the field stands left of the operator.",
                    token,
                    expected="a field",
                )
        return self.resolved(FieldKind.ATTRIBUTE, name, token, token.start)

    def kind(self, token: Token, prefix: str) -> FieldKind:
        kind = self.words.kind_of_prefix.get(prefix)
        if kind is not None:
            return kind
        subject = self.words.subject.value.capitalize()
        parts = _alternatives(part.prefixes[0] for part in self.words.parts.values())
        other = vocabulary(Subject.RUNS).kind_of_prefix.get(prefix)
        if other is not None and other not in self.words.parts:
            message = f"{subject} have no {_PLURALS[other]}; expected {parts} before the dot."
        elif token.kind == "word" and _NUMBER.fullmatch(token.text):
            message = (
                f"Expected a field, found the number {visible(token.text)};"
                " the field stands left of the operator."
            )
        else:
            near = _nearest(prefix, self.words.kind_of_prefix)
            message = f"'{visible(prefix)}' is no part of {self.words.noun}; " + (
                f"did you mean {near}?" if near else f"expected {parts} before the dot."
            )
        raise self.error(message, token, expected=parts)

    def resolved(self, kind: FieldKind, key: str, token: Token, position: int) -> _Named:
        part = self.words.parts[kind]
        shown = visible(self.text[token.start : self.tokens[self.index - 1].end])
        if part.column is not None:
            return _Named(Field(kind, key), part.column(key, ()), shown)
        field = self.words.field_of_name.get((kind, key))
        if field is not None:
            return _Named(field, part.columns[field.key], shown)
        names = _alternatives(part.columns)
        if position == token.start:
            prefixes = [part.prefixes[0] + "." for part in self.words.parts.values()]
            names += f", or {_alternatives(prefixes[1:])} before it"
        near = _nearest(key, [name for its, name in self.words.field_of_name if its is kind])
        whose = "Data sets" if kind is FieldKind.DATASET else self.words.subject.value.capitalize()
        raise self.error(
            f"{whose} have no attribute '{visible(key)}'; "
            + (f"did you mean {near}?" if near else f"expected {names}."),
            token,
            position=position,
            expected=names,
        )

    # --- tokens and errors ---

    @staticmethod
    def keyword(token: Token) -> str:
        if token.kind != "word":
            return ""
        word = token.text.upper()
        return word if word in _KEYWORDS else ""

    def unexpected_after_test(self, token: Token, *, nested: bool) -> FilterSyntaxError:
        if token.text == ")":
            return self.error(
                "This parenthesis closes none that is open.", token, expected="AND, OR or the end"
            )
        before = self.tokens[self.index - 1]
        if before.is_string and before.end == token.start:
            return self.error(
                f"The text ends before {visible(token.text)}; write a quote inside text twice.",
                token,
                expected="AND, OR or the end",
            )
        right = _MISTAKEN_WORDS.get(token.text)
        if right is not None:
            return self.error(
                f"{token.text} is no operator here; write {right}.", token, expected=right
            )
        return self.expected(
            "AND, OR or )" if nested else "AND, OR or the end of the filter", "", token
        )

    def expected(self, expected: str, where: str, token: Token) -> FilterSyntaxError:
        if token.kind == "unclosed":
            return self.error(
                f"The quote {token.text[0]} is never closed.", token, expected=token.text[0]
            )
        found = visible(token.text) if token.kind != "end" else "the end"
        place = f" {where}" if where else ""
        return self.error(f"Expected {expected}{place}, found {found}.", token, expected=expected)

    def error(
        self, message: str, token: Token, *, position: int | None = None, expected: str = ""
    ) -> FilterSyntaxError:
        if position is None:
            position = token.start
        return syntax_error(message, text=self.text, position=position, expected=expected)


def _number(text: str, *, whole: bool) -> int | float | None:
    if whole and _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text) or _NOT_FINITE.fullmatch(text):
        return float(text)
    return None


def _operators_of(column: Column) -> str:
    names = [operator.value for operator in column.type.operators]
    return _alternatives([*names, "IN", "IS NULL"])


def _alternatives(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def _nearest(name: str, known: Iterable[str]) -> str:
    # Only a mistake needs it, and it would double the time that importing this room takes.
    import difflib

    known = list(known)
    lower = {word.lower(): word for word in reversed(known)}
    near = difflib.get_close_matches(name[:100].lower(), lower, n=1)
    return lower[near[0]] if near else ""
