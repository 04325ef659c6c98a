"""Rate cards of a workspace: stated in rates/*.yaml, or in a price list that such a file names.

A price list that no card names is not read: it waits for `tieout rates import`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tieout.hub.price_files import read_sheets
from tieout.hub.price_list import PLAIN_COLUMNS, PriceList, RatePrice, prices_of
from tieout.hub.refusals import Invalid
from tieout.workspace.findings import Finding
from tieout.workspace.shapes import CardFile, parse
from tieout.workspace.yamlfile import YamlFile, outside


@dataclass
class Card:
    """One rate card: its prices with the file that states each, and its `rules` (blended, what a day is)."""

    currency: str
    files: list[str] = field(default_factory=list)
    prices: list[tuple[str, RatePrice]] = field(default_factory=list)
    rules: Mapping[str, Any] = field(default_factory=dict)


def read(folder: Path, files: Sequence[YamlFile]) -> tuple[dict[str, Card], list[Finding]]:
    """Rate cards by code, and the findings."""
    cards: dict[str, Card] = {}
    findings: list[Finding] = []
    for file in files:
        shape, wrong = parse(file, CardFile)
        findings += wrong
        if shape is None:
            continue
        if shape.card in cards:
            first = f"{cards[shape.card].files[0]} states this card too"
            findings.append(file.finding(("card",), first, "one file per card is expected", "Join them."))
            continue
        name, found, wrong = _prices(folder, file, shape)
        findings += wrong
        cards[shape.card] = Card(shape.currency, [name], [(name, price) for price in found], shape.rules)
    return cards, findings


def _prices(folder: Path, file: YamlFile, shape: CardFile) -> tuple[str, Sequence[RatePrice], list[Finding]]:
    if (shape.file is None) == (shape.rates is None):
        wrong = file.finding((), "both or neither of file and rates are stated", "one of them is expected")
        return file.name, (), [wrong]
    if shape.rates is not None:
        return file.name, *_inline(file, shape)
    path = folder / "rates" / str(shape.file)
    name = f"rates/{shape.file}"
    if Path(str(shape.file)).name != shape.file or not path.is_file():
        expected = "the name of a price list beside this file is expected"
        return (
            name,
            (),
            [file.finding(("file",), f"there is no {name}", expected, "Name a file that exists.")],
        )
    if (led_out := outside(folder, path)) is not None:
        return name, (), [led_out]
    try:
        sheets = read_sheets(str(shape.file), path.read_bytes())
        found = prices_of(
            str(shape.file), sheets, currency=shape.currency, start=shape.start, form=shape.format
        )
    except Invalid as error:
        message = error.message.removesuffix(" Nothing was written.")
        return name, (), [Finding(name, 1, "", message.rstrip("."), "a price list is expected", error.remedy)]
    return name, found.prices, [_row(name, r.row, r.column, r.value, r.reason) for r in found.refused]


def _inline(file: YamlFile, shape: CardFile) -> tuple[Sequence[RatePrice], list[Finding]]:
    stated = shape.rates or []
    header = list(dict.fromkeys(key for rate in stated for key in rate))
    sheet: list[list[Any]] = [header, *([rate.get(key) for key in header] for rate in stated)]
    try:
        found: PriceList = prices_of(
            file.name, [("", sheet)], currency=shape.currency, start=shape.start, form="plain"
        )
    except Invalid as error:
        message = error.message.removesuffix(" Nothing was written.").rstrip(".")
        return (), [file.finding(("rates",), message, "prices are expected", error.remedy)]
    lines: Mapping[int, int] = defaultdict(
        lambda: 1, {n + 2: file.line(("rates", n)) for n in range(len(stated))}
    )
    wrong = [_row(file.name, lines[r.row], r.column, r.value, r.reason) for r in found.refused]
    return found.prices, [*wrong, *_unread(file, header)]


def _unread(file: YamlFile, header: Sequence[Any]) -> list[Finding]:
    return [
        file.finding(("rates",), f"the key {key!r} is not known", f"known are {', '.join(PLAIN_COLUMNS)}", "Rename it.")
        for key in header
        if str(key).casefold() not in PLAIN_COLUMNS
    ]  # fmt: skip


def _row(name: str, line: int, column: str, value: str, reason: str) -> Finding:
    return Finding(name, line, column, f"{value!r} was seen", reason, "Correct the row or take it out.")
