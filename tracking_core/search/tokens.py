"""Text of a filter to tokens, and the error that points at a place in it."""

from __future__ import annotations

import re
from typing import NamedTuple

from tracking_core.errors import FilterSyntaxError

_TOKENS = re.compile(
    # Each quote is unrolled so that a quote that is never closed costs one pass. A backslash and
    # what follows it stay together; the last two are for text that ends in a backslash (`'C:\'`)
    # with no other quote after it, which MLflow takes.
    r"""\s*(?:
      (?P<word>[^\s'"`()=<>!,;]+)
    | (?P<operator><=|>=|!=|==|<>|[=<>!])
    | (?P<single>'[^'\\]*(?:(?:''|\\.)[^'\\]*)*'(?!'))
    | (?P<double>"[^"\\]*(?:(?:""|\\.)[^"\\]*)*"(?!"))
    | (?P<backtick>`[^`]*(?:``[^`]*)*`(?!`))
    | (?P<raw_single>'[^']*\\'(?=[\s)]*\Z))
    | (?P<raw_double>"[^"]*\\"(?=[\s)]*\Z))
    | (?P<unclosed>['"`].*)
    | (?P<other>\S)
    )""",
    re.VERBOSE | re.DOTALL,
)

_STRINGS = {"single", "double", "raw_single", "raw_double"}
_WINDOW = 100


class Token(NamedTuple):
    """A piece of a filter; `kind` is the name of its group in the pattern, or `end`."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def is_string(self) -> bool:
        """Whether it is text in quotes."""
        return self.kind in _STRINGS

    @property
    def is_name(self) -> bool:
        """Whether it is in quotes that a name may have."""
        return self.kind in ("backtick", "double", "raw_double")

    @property
    def unquoted(self) -> str:
        """What stands between the quotes, with doubled and escaped quotes resolved."""
        body = self.text[1:-1]
        if self.kind.startswith("raw") or self.kind == "word":
            return body
        quote = self.text[0]
        if quote not in body and not body.endswith("\\"):
            return body
        if quote == "`":
            return body.replace("``", "`")
        return re.sub(
            rf"(?P<escaped>\\(?:\\\\)*){quote}|(?P<doubled>(?:\\\\)*){quote}{quote}"
            r"|(?P<last>(?:\\\\)+)\Z",
            lambda match: _resolve(match, quote),
            body,
        )


def _resolve(match: re.Match[str], quote: str) -> str:
    slashes = match["escaped"] or match["doubled"] or match["last"] or ""
    return "\\" * (len(slashes) // 2) + (quote if match["last"] is None else "")


def tokenise(text: str) -> list[Token]:
    """Return the tokens of a filter, an `end` token last; what can't be one is of kind `other`."""
    tokens = [
        Token(kind, match[kind], *match.span(kind))
        # Without the blanks at the end, which the pattern would try in vain one by one.
        for match in _TOKENS.finditer(text.rstrip())
        if (kind := match.lastgroup) is not None
    ]
    tokens.append(Token("end", "", len(text), len(text)))
    return tokens


def visible(text: str, limit: int = 40) -> str:
    """Return text that fits into a sentence: on one line, printable, not too long."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


def syntax_error(
    message: str, *, text: str, position: int, expected: str = ""
) -> FilterSyntaxError:
    """Return the error whose text shows the sentence, the filter and a caret under the place."""
    start, end = 0, len(text)
    if end > _WINDOW:
        start = max(0, min(position - _WINDOW // 2, end - _WINDOW))
        end = min(end, start + _WINDOW)
    before = "…" if start else ""
    after = "…" if end < len(text) else ""
    line = before + visible(text[start:end], _WINDOW) + after
    caret = " " * (len(before) + position - start) + "^"
    return FilterSyntaxError(
        f"{message}\n  {line}\n  {caret}", text=text, position=position, expected=expected
    )
