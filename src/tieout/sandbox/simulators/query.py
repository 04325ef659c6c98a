"""The little SQL that SOQL and SuiteQL have in common: SELECT … FROM … WHERE … ORDER BY … LIMIT … OFFSET."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]
Test = Callable[[Row], bool]
Comparable = Callable[[str, Any], Any]
"""(column, value) -> something that compares; None stands for null."""

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.|'')*')"
    r"|(?P<moment>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d))|(?P<day>\d{4}-\d\d-\d\d)"
    r"|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z_][\w.]*)|(?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,|\*))",
    re.S,
)
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<>": lambda a, b: a != b, "<": lambda a, b: a < b,
    ">": lambda a, b: a > b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
}  # fmt: skip


class BadQuery(ValueError):
    """The text is no query of this language."""


class UnknownColumn(ValueError):
    """The query names a column that the table has not."""


@dataclass
class Query:
    """A parsed query; `test` is its WHERE."""

    columns: list[str]
    table: str
    test: Test
    order: list[tuple[str, bool]] = field(default_factory=list)
    limit: int | None = None
    offset: int = 0
    named: set[str] = field(default_factory=set)

    def run(self, rows: Sequence[Row], comparable: Comparable) -> list[Row]:
        """The rows that match, in order, cut to limit and offset."""
        found = [row for row in rows if self.test(row)]
        for column, descending in reversed(self.order):
            found.sort(
                key=lambda r, c=column: _nulls_first(comparable(c, r.get(c))),  # type: ignore[misc]
                reverse=descending,
            )
        end = None if self.limit is None else self.offset + self.limit
        return found[self.offset : end]


class Parser:
    """One query's text. `comparable` makes the two sides of a comparison comparable; `backslash`: SOQL's quoting."""

    def __init__(self, text: str, comparable: Comparable, *, backslash: bool) -> None:
        self._comparable, self._backslash = comparable, backslash
        self._tokens = self._split(text)
        self._at = 0
        self._named: set[str] = set()

    def query(self) -> Query:
        """The whole query; BadQuery when something is left over."""
        self._expect("SELECT")
        columns = self._columns()
        self._expect("FROM")
        table = self._word()
        test = self._either() if self._take("WHERE") else _always
        order = self._order() if self._take("ORDER") else []
        limit = int(self._next()[1]) if self._take("LIMIT") else None
        offset = int(self._next()[1]) if self._take("OFFSET") else 0
        if self._at < len(self._tokens):
            raise BadQuery(f"unexpected token: {self._tokens[self._at][1]}")
        return Query(columns, table, test, order, limit, offset, self._named | {c for c, _ in order})

    def _split(self, text: str) -> list[tuple[str, Any]]:
        tokens: list[tuple[str, Any]] = []
        at, text = 0, text.strip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise BadQuery(f"unexpected token near: {text[at : at + 20]}")
            kind = str(match.lastgroup)
            tokens.append((kind, match.group(kind)))
            at = match.end()
        return tokens

    def _columns(self) -> list[str]:
        columns: list[str] = []
        while True:
            name = self._word()
            if self._sign("("):
                self._must_sign(")")
                name += "()"
            columns.append(name)
            if not self._sign(","):
                return columns

    def _order(self) -> list[tuple[str, bool]]:
        self._expect("BY")
        order: list[tuple[str, bool]] = []
        while True:
            column = self._word()
            descending = self._take("DESC") or (self._take("ASC") and False)
            if self._take("NULLS"):
                self._next()
            order.append((column, descending))
            if not self._sign(","):
                return order

    def _either(self) -> Test:
        tests = [self._both()]
        while self._take("OR"):
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda row: any(t(row) for t in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._take("AND"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda row: all(t(row) for t in tests)

    def _one(self) -> Test:
        if self._take("NOT"):
            inner = self._one()
            return lambda row: not inner(row)
        if self._sign("("):
            inner = self._either()
            self._must_sign(")")
            return inner
        column = self._word()
        self._named.add(column)
        if self._take("IS"):
            negated = self._take("NOT")
            self._expect("NULL")
            return lambda row: (self._comparable(column, row.get(column)) is None) != negated
        if self._take("LIKE"):
            return self._like(column, str(self._value()))
        negated = self._take("NOT")
        if self._take("IN"):
            return self._in(column, negated)
        kind, sign = self._next()
        if kind != "sign" or sign not in _SIGNS:
            raise BadQuery(f"unexpected token: {sign}")
        return self._compare(column, str(sign), self._value())

    def _compare(self, column: str, sign: str, value: Any) -> Test:
        compare, comparable = _SIGNS[sign], self._comparable
        wanted = comparable(column, value)

        def test(row: Row) -> bool:
            held = comparable(column, row.get(column))
            if held is None or wanted is None:
                return compare(held, wanted) if sign in ("=", "!=", "<>") else False
            try:
                return compare(held, wanted)
            except TypeError:
                return False

        return test

    def _in(self, column: str, negated: bool) -> Test:
        self._must_sign("(")
        values = [self._value()]
        while self._sign(","):
            values.append(self._value())
        self._must_sign(")")
        wanted = {self._comparable(column, v) for v in values}
        return lambda row: (self._comparable(column, row.get(column)) in wanted) != negated

    def _like(self, column: str, pattern: str) -> Test:
        parts = {"%": ".*", "_": "."}
        fits = re.compile("".join(parts.get(c, re.escape(c)) for c in pattern), re.I | re.S)
        return lambda row: fits.fullmatch(str(row.get(column) or "")) is not None

    def _value(self) -> Any:
        kind, text = self._next()
        if kind == "string":
            return self._unquoted(text)
        if kind == "number":
            return Decimal(text)
        if kind == "moment":
            return datetime.fromisoformat(text).astimezone(UTC)
        if kind == "word" and text.upper() in ("TO_TIMESTAMP", "TO_DATE"):
            self._must_sign("(")
            value = self._value()
            self._must_sign(",")
            self._value()
            self._must_sign(")")
            return value
        if kind == "word" and text.lower() in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[text.lower()]
        if kind == "day":
            return text
        raise BadQuery(f"unexpected token: {text}")

    def _unquoted(self, text: str) -> str:
        if self._backslash:
            return re.sub(
                r"\\(.)", lambda m: {"n": "\n", "t": "\t", "r": "\r"}.get(m[1], m[1]), text[1:-1], flags=re.S
            )
        return text[1:-1].replace("''", "'")

    def _next(self) -> tuple[str, Any]:
        if self._at >= len(self._tokens):
            raise BadQuery("unexpected token: <EOF>")
        self._at += 1
        return self._tokens[self._at - 1]

    def _word(self) -> str:
        kind, text = self._next()
        if kind != "word":
            raise BadQuery(f"unexpected token: {text}")
        return str(text)

    def _take(self, word: str) -> bool:
        if self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            if kind == "word" and text.upper() == word:
                self._at += 1
                return True
        return False

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise BadQuery(f"expected {word}")

    def _sign(self, sign: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == ("sign", sign):
            self._at += 1
            return True
        return False

    def _must_sign(self, sign: str) -> None:
        if not self._sign(sign):
            raise BadQuery(f"expected {sign}")


def _always(_: Row) -> bool:
    return True


def _nulls_first(value: Any) -> tuple[bool, Any]:
    return (value is not None, 0 if value is None else value)
