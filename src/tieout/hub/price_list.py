"""A price list into prices: good rows kept, bad ones refused with row, column, reason and value.

Two forms: `plain` (role and other attributes, price, from, to) and `gsa` (lists filed with the United States General
Services Administration: service, price or prices of five contract years, contract dates, work site). The answer does
not depend on the order of the rows: of rows that contradict each other none is taken.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tieout.hub import price_cells as cells
from tieout.hub.price_cells import NOT_STATED, Unusable
from tieout.hub.price_files import Sheet, read_sheets, refused
from tieout.hub.refusals import Invalid
from tieout.model.money import is_currency
from tieout.store.rates import ATTRIBUTES

FORMATS = ("gsa", "plain")
_HEADER_WITHIN = 12
_YEARS = 5
PLAIN_COLUMNS = {**{name: name for name in ATTRIBUTES}, "price": "price", "unit": "unit", "currency": "currency",
          "from": "from", "effective_from": "from", "to": "to", "effective_to": "to"}  # fmt: skip
_GSA: tuple[tuple[str, str], ...] = (
    (r"service proposed.*|labor category", "role"),
    (r"price offered to gsa \(including iff\)", "price"),
    (r"year 1(/base)?", "year 1"),
    *((rf"year {n}", f"year {n}") for n in range(2, _YEARS + 1)),
    (r"unit of issue.*", "unit"),
    (r"worksite|location|contractor or customer facility or both", "worksite"),
    (r"contract start date|begin date", "from"),
    (r"contract end date|end date", "to"),
)
_WORKSITES = {"customer": "customer", "contractor": "contractor", "both": None}


@dataclass(frozen=True)
class RatePrice:
    """One price from a list: for which attributes, on which days (inclusive, None = open), from which row."""

    attributes: tuple[tuple[str, str], ...]
    price: Decimal
    currency: str
    unit: str
    start: date
    end: date | None
    row: int

    @property
    def facts(self) -> tuple[Any, ...]:
        """All but where it stands in the file."""
        return (self.attributes, self.price, self.currency, self.unit, self.start, self.end)

    def overlaps(self, other: RatePrice) -> bool:
        """Whether both hold on some day."""
        return self.start <= (other.end or date.max) and other.start <= (self.end or date.max)


@dataclass(frozen=True)
class RefusedRow:
    """One thing that is wrong with one row; `row` counts from 1 as a spreadsheet does."""

    row: int
    column: str
    reason: str
    value: str


@dataclass(frozen=True)
class PriceList:
    """What a list holds: its prices by row, equal rows once, and the refused rows."""

    prices: tuple[RatePrice, ...]
    repeated: tuple[int, ...]
    refused: tuple[RefusedRow, ...]


Columns = Mapping[str, tuple[int, str]]


def read_price_list(
    name: str,
    content: bytes,
    *,
    currency: str = "USD",
    start: date | None = None,
    form: str | None = None,
) -> PriceList:
    """The prices of a file. `start`: the day from which a gsa list holds for us, or a plain row that states no day."""
    return prices_of(name, read_sheets(name, content), currency=currency, start=start, form=form)


def prices_of(
    name: str, sheets: Sequence[Sheet], *, currency: str, start: date | None, form: str | None
) -> PriceList:
    """The same of a file's sheets, already read."""
    if not is_currency(currency):
        raise Invalid(f"{currency!r} is no ISO 4217 currency.", fields={"currency": currency},
                      remedy="Use a code such as USD.")  # fmt: skip
    if form not in (None, *FORMATS):
        raise Invalid(
            f"There is no format {form!r}.", fields={"format": str(form)}, remedy="Use gsa or plain."
        )
    form, header, columns, rows = _find_header(name, sheets, form)
    if start is None and "from" not in columns:
        raise refused(name, "The list has no date column.", "State the first day: --from YYYY-MM-DD")
    read = _gsa_row if form == "gsa" else _plain_row
    prices: list[RatePrice] = []
    bad: list[RefusedRow] = []
    for number, row in enumerate(rows[header:], start=header + 1):
        if _is_blank(row, columns) or (number == header + 1 and form == "gsa" and _is_hints(row, columns)):
            continue
        line = _Row(number, row, columns)
        line.bound(len(rows[header - 1]))
        found = list(read(line, currency, start))
        prices += [] if line.wrong else found
        bad += line.wrong
    return _without_contradictions(prices, bad)


def _find_header(
    name: str, sheets: Sequence[Any], form: str | None
) -> tuple[str, int, Columns, Sequence[Any]]:
    """(form, number of the header row, columns, rows) of the first sheet that has the columns of a price list."""
    for wanted in [form] if form else ["plain", "gsa"]:
        for _, rows in sheets:
            for number, row in enumerate(rows[:_HEADER_WITHIN], start=1):
                columns = _columns(row, wanted)
                if _is_complete(columns, wanted):
                    return wanted, number, columns, rows
    seen: Sequence[Any] = next(
        (row for _, rows in sheets for row in rows if any(cells.text(c) for c in row)), []
    )
    stated = ", ".join(f"{cells.shown(c)!r}" for c in list(seen)[:8] if cells.text(c))
    raise refused(
        name, f"No header of a price list was found; the first row has {stated or 'nothing'}.",
        "A plain list has the columns role, price, from (and to); a gsa list SERVICE PROPOSED or Labor Category, and "
        "PRICE OFFERED TO GSA (including IFF) or Year 1.",
    )  # fmt: skip


def _is_complete(columns: Columns, form: str) -> bool:
    if form == "plain":
        return "price" in columns and any(name in columns for name in ATTRIBUTES)
    return "role" in columns and ("price" in columns or "year 1" in columns)


def _columns(row: Sequence[Any], form: str) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for place, cell in enumerate(row):
        title = cells.text(cell)
        bare = title.casefold()
        meant = PLAIN_COLUMNS.get(bare) if form == "plain" else _gsa_column(bare)
        if meant and meant not in found:
            found[meant] = (place, title)
    return found


def _gsa_column(title: str) -> str | None:
    return next((meant for pattern, meant in _GSA if re.fullmatch(pattern, title)), None)


def _is_blank(row: Sequence[Any], columns: Columns) -> bool:
    """Nothing to price: an empty or prepared line (formulas, zeros), or a foot note beside the columns."""
    filled = {
        meant for meant, (place, _) in columns.items() if place < len(row) and not _is_idle(meant, row[place])
    }
    notes = sum(1 for cell in row if cells.text(cell))
    return not filled or (filled == {"role"} and notes <= 2)


def _is_idle(meant: str, cell: Any) -> bool:
    words = cells.text(cell)
    return not words or ((words == "0" or words.startswith("=")) and meant in ("price", "year 1"))


def _is_hints(row: Sequence[Any], columns: Columns) -> bool:
    """Whether the row under the header only describes its columns: words where prices and dates belong."""
    stated = {m: cells.text(row[place]) for m, (place, _) in columns.items() if place < len(row)}
    facts = [stated.get(meant, "") for meant in ("price", "year 1", "from", "to")]
    if any(c.isdigit() for words in facts for c in words):
        return False
    return any(len(words.split()) > 1 for words in facts)


class _Row:
    """One row while it is read: cells by meaning, and what is wrong with it."""

    def __init__(self, number: int, row: Sequence[Any], columns: Columns) -> None:
        self.number, self.row, self.columns = number, row, columns
        self.wrong: list[RefusedRow] = []

    def cell(self, meant: str) -> Any:
        place = self.columns.get(meant, (len(self.row), ""))[0]
        return self.row[place] if place < len(self.row) else None

    def read(self, meant: str, how: Callable[[Any], Any]) -> Any:
        try:
            return how(self.cell(meant))
        except Unusable as error:
            self.refuse(meant, str(error))
            return None

    def bound(self, width: int) -> None:
        """Refuse the row when something stands beyond the header's columns: then no cell is surely under its title."""
        beyond = ((n, cell) for n, cell in enumerate(self.row[width:], start=width + 1) if cells.text(cell))
        if (first := next(beyond, None)) is not None:
            reason = f"the header has {width} columns: put quotes around a value that holds the separator"
            self.wrong.append(RefusedRow(self.number, f"column {first[0]}", reason, cells.shown(first[1])))

    def refuse(self, meant: str, reason: str) -> None:
        title = self.columns.get(meant, (0, meant))[1]
        self.wrong.append(RefusedRow(self.number, title, reason, cells.shown(self.cell(meant))))


def _plain_row(row: _Row, currency: str, start: date | None) -> Iterator[RatePrice]:
    attributes = [(name, row.read(name, cells.label)) for name in ATTRIBUTES if name in row.columns]
    stated = tuple((name, value) for name, value in attributes if value is not None)
    amount = row.read("price", cells.price)
    unit = row.read("unit", cells.unit)
    own = cells.text(row.cell("currency")) or currency
    first = row.read("from", lambda cell: cells.day(cell, us=False)) or start
    last = row.read("to", lambda cell: cells.day(cell, us=False))
    if not is_currency(own):
        row.refuse("currency", "no ISO 4217 currency")
    if not stated and not row.wrong:
        row.refuse(attributes[0][0], "empty: a price is for a role or another attribute")
    yield from _checked(row, RatePrice(stated, amount, own, unit, first or date.max, last, row.number))


def _checked(row: _Row, price: RatePrice) -> Iterator[RatePrice]:
    if row.wrong:
        return
    if price.start == date.max:
        row.refuse("from", "empty: state the first day in the row or by --from")
    elif price.end and price.end < price.start:
        row.refuse("to", f"before the first day, {price.start}")
    else:
        yield price


def _gsa_row(row: _Row, currency: str, start: date | None) -> Iterator[RatePrice]:
    role = row.read("role", cells.label)
    if role is None and not row.wrong:
        row.refuse("role", "empty: a labor category is expected")
    unit = row.read("unit", cells.unit)
    site = _WORKSITES.get(cells.text(row.cell("worksite")).casefold().removesuffix(" site"))
    first, last = (row.read(meant, lambda cell: cells.day(cell, us=True)) for meant in ("from", "to"))
    years = _prices_by_year(row)
    if row.wrong:
        return
    if start is not None:
        first, last = start, None
    elif first is not None and last is not None and len(years) > 1:
        first = max(first, _years_later(last + timedelta(days=1), -_YEARS))
    attributes = (("role", role), *((("worksite", site),) if site else ()))
    whole = RatePrice(attributes, years[0], currency, unit, first or date.max, last, row.number)
    for checked in _checked(row, whole):
        yield from _by_year(checked, years)


def _prices_by_year(row: _Row) -> list[Decimal]:
    """Prices of contract years 1, 2, …; a year that is left empty keeps the price of the year before."""
    if "price" in row.columns:
        return [row.read("price", cells.price)]
    prices = [row.read("year 1", cells.price)]
    for n in range(2, _YEARS + 1):
        stated = cells.text(row.cell(f"year {n}")).casefold() not in NOT_STATED
        prices.append(row.read(f"year {n}", cells.price) if stated else prices[-1])
    return prices


def _by_year(whole: RatePrice, years: Sequence[Decimal]) -> Iterator[RatePrice]:
    """One price per run of years with the same amount; the last holds to the end of the contract."""
    begins = [n for n, amount in enumerate(years) if n == 0 or amount != years[n - 1]]
    for place, n in enumerate(begins):
        first = _years_later(whole.start, n)
        last = whole.end
        if place + 1 < len(begins):
            before = _years_later(whole.start, begins[place + 1]) - timedelta(days=1)
            last = before if last is None else min(before, last)
        if last is None or first <= last:
            yield replace(whole, price=years[n], start=first, end=last)


def _years_later(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February
        return date(day.year + years, 3, 1)


def _without_contradictions(prices: Sequence[RatePrice], bad: Sequence[RefusedRow]) -> PriceList:
    """Equal rows once; of rows that state different prices or other days for the same attributes, none."""
    by_row: dict[int, list[RatePrice]] = defaultdict(list)
    for price in prices:
        by_row[price.row].append(price)
    first: dict[tuple[Any, ...], int] = {}
    for number, stated in by_row.items():
        first.setdefault(tuple(p.facts for p in stated), number)
    kept = {n: by_row[n] for n in first.values()}
    repeated = tuple(sorted(set(by_row) - set(kept)))
    rivals = _rivals(kept)
    against = [
        RefusedRow(n, "price", f"contradicts row {other}: the same attributes and day, stated differently",
                   f"{p.price:f} from {p.start}")
        for n, (p, other) in rivals.items()
    ]  # fmt: skip
    twins = [
        RefusedRow(n, "price", f"contradicts row {rivals[first[facts]][1]}, as its equal row {first[facts]} does",
                   f"{by_row[n][0].price:f}")
        for n in repeated
        if first[facts := tuple(p.facts for p in by_row[n])] in rivals
    ]  # fmt: skip
    twin_rows = {t.row for t in twins}
    good = tuple(p for n, stated in kept.items() if n not in rivals for p in stated)
    refused_rows = sorted([*bad, *against, *twins], key=lambda r: (r.row, r.column))
    return PriceList(good, tuple(n for n in repeated if n not in twin_rows), tuple(refused_rows))


def _rivals(kept: Mapping[int, Sequence[RatePrice]]) -> dict[int, tuple[RatePrice, int]]:
    """Row -> (its price, the row that contradicts it)."""
    groups: dict[Any, list[RatePrice]] = defaultdict(list)
    for stated in kept.values():
        for price in stated:
            groups[price.attributes].append(price)
    found: dict[int, tuple[RatePrice, int]] = {}
    for group in groups.values():
        reach: RatePrice | None = None
        for one in sorted(group, key=lambda p: (p.start, p.row)):
            if reach is not None and one.overlaps(reach):
                found.setdefault(one.row, (one, reach.row))
                found.setdefault(reach.row, (reach, one.row))
            if reach is None or (one.end or date.max) > (reach.end or date.max):
                reach = one
    return found
