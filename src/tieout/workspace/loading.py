"""A workspace folder into its document and its rate cards, with every finding on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tieout.domain.tax import read_tax_number
from tieout.hub.audit import digest_of, plain
from tieout.hub.price_list import RatePrice
from tieout.model.periods import calendar_of
from tieout.workspace import connections, mappings, ownership, rates
from tieout.workspace.findings import Finding
from tieout.workspace.shapes import (
    ACCOUNT_NAMES,
    BillingFile,
    EntityFile,
    TaxFile,
    TaxPoint,
    TransferMargin,
    Treatment,
    WorkspaceFile,
    parse,
)
from tieout.workspace.yamlfile import YamlFile, outside, read_yaml

FILES = frozenset({"tieout.yaml", "ownership.yaml", "billing.yaml"})
FOLDERS = frozenset(
    {"connections", "mappings", "tax", "accounts", "entities", "rates", "scenarios", "policies"}
)


_Dated = tuple[YamlFile, int, Treatment | TaxPoint | TransferMargin]
_ONE = {
    "treatments": "one treatment per code, entity, country, business and day",
    "points": "one rule per country and day",
    "transfer_margins": "one margin per supplier, buyer and day",
}


@dataclass
class Loaded:
    """What a folder states: the document of a workspace version, the prices by card, and the findings."""

    document: dict[str, Any] = field(default_factory=dict)
    cards: dict[str, list[tuple[str, RatePrice]]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """sha256 of the document: the same folder gives the same digest."""
        return digest_of([self.document]).hex()


def check(folder: Path, environ: Mapping[str, str]) -> list[Finding]:
    """Everything that is wrong with a workspace folder, in the order of files and lines; empty = it can be applied."""
    return load(folder, environ).findings


def load(folder: Path, environ: Mapping[str, str]) -> Loaded:
    """Read a whole folder. `environ` gives the variables that settings name as `${NAME}`."""
    loaded = Loaded()
    if not (folder / "tieout.yaml").is_file():
        missing = "there is no such file in this folder"
        loaded.findings.append(
            Finding("tieout.yaml", 1, "", missing, "a workspace begins with it", "Run: tieout init")
        )
        return loaded
    _unknown_files(folder, loaded)
    _workspace(folder, loaded)
    found, wrong = connections.read(_each(folder, "connections"), environ)
    loaded.findings += wrong
    matrix, wrong = ownership.read(_one(folder, "ownership.yaml"), found)
    loaded.findings += wrong
    overrides, wrong = mappings.read(_each(folder, "mappings", deep=True))
    loaded.findings += wrong
    loaded.document |= {"connections": found, "ownership": matrix, "mappings": overrides}
    _tax(folder, loaded)
    _accounts(folder, loaded)
    _entities(folder, loaded)
    _billing(folder, loaded)
    _cards(folder, loaded)
    loaded.findings += [f for file in _each(folder, "scenarios", deep=True) for f in file.findings]
    _policies(folder, loaded)
    loaded.document = plain(loaded.document)
    loaded.findings.sort()
    return loaded


def _one(folder: Path, name: str) -> YamlFile | None:
    path = folder / name
    return read_yaml(folder, path) if path.is_file() or path.is_symlink() else None


def _each(folder: Path, part: str, deep: bool = False) -> list[YamlFile]:
    if outside(folder, folder / part):  # said once, by _unknown_files
        return []
    found = sorted((folder / part).glob("**/*.yaml" if deep else "*.yaml"))
    return [read_yaml(folder, path) for path in found if path.is_file() or path.is_symlink()]


def _policies(folder: Path, loaded: Loaded) -> None:
    for path in sorted((folder / "policies").glob("*")):
        if not outside(folder, path.parent) and not path.name.startswith("."):
            expected = f"policies are stated in billing.yaml: {', '.join(BillingFile.model_fields)}"
            name = path.relative_to(folder).as_posix()
            loaded.findings.append(
                Finding(name, 1, "", "files in policies/ are not read yet", expected, "Move it there.")
            )


def _unknown_files(folder: Path, loaded: Loaded) -> None:
    for path in sorted(folder.iterdir()):
        led_out = outside(folder, path) if path.name in FOLDERS else None
        if led_out is not None:
            loaded.findings.append(led_out)
            continue
        known = path.name in FOLDERS if path.is_dir() else path.name in FILES
        if not known and path.suffix in (".yaml", ".yml", ""):
            if path.name.startswith(".") or (path.is_file() and not path.suffix):
                continue
            expected = f"known are {', '.join(sorted(FILES))} and the folders {', '.join(sorted(FOLDERS))}"
            loaded.findings.append(
                Finding(path.name, 1, "", "this is not read", expected, "Rename or move it.")
            )
    parts = [part for part in sorted(FOLDERS) if not outside(folder, folder / part)]
    for path in sorted(p for part in parts for p in (folder / part).glob("**/*.yml")):
        name = path.relative_to(folder).as_posix()
        loaded.findings.append(Finding(name, 1, "", "this is not read", "files end in .yaml", "Rename it."))


def _workspace(folder: Path, loaded: Loaded) -> None:
    file = read_yaml(folder, folder / "tieout.yaml")
    shape, wrong = parse(file, WorkspaceFile)
    loaded.findings += wrong
    if shape is not None:
        loaded.document |= shape.model_dump()


def _tax(folder: Path, loaded: Loaded) -> None:
    rules: dict[str, list[_Dated]] = {"treatments": [], "points": []}
    for file in _each(folder, "tax"):
        shape, wrong = parse(file, TaxFile)
        loaded.findings += wrong
        for name, found in rules.items():
            found += [(file, number, rule) for number, rule in enumerate(getattr(shape, name, ()))]
    for name, key, found in (
        ("treatments", "tax", rules["treatments"]),
        ("points", "tax_points", rules["points"]),
    ):
        loaded.findings += _overlaps(name, found)
        loaded.document[key] = [
            rule.model_dump(mode="json", by_alias=True, exclude={"note"}) for _, _, rule in found
        ]


def _overlaps(name: str, rules: list[_Dated]) -> Iterable[Finding]:
    for place, (file, number, rule) in enumerate(rules):
        at = (name, number)
        if rule.end and rule.end < rule.start:
            yield file.finding((*at, "to"), f"{rule.end} is before {rule.start}", "the last day is expected")
        for other_file, other_number, other in rules[:place]:
            same = _about(rule) == _about(other)
            apart = (rule.end and rule.end < other.start) or (other.end and other.end < rule.start)
            if same and not apart:
                first = f"{other_file.name}:{other_file.line((name, other_number))}"
                yield file.finding(
                    (*at, "from"), f"its days overlap those of {first}",
                    f"{_ONE[name]} is expected", "End one the day before the other begins.",
                )  # fmt: skip


def _about(rule: Treatment | TaxPoint | TransferMargin) -> tuple[str | bool | None, ...]:
    """The sales, or the two entities, that a rule is about."""
    names = ("code", "entity", "country", "business", "supplier", "buyer")
    return tuple(getattr(rule, name, None) for name in names)


def _accounts(folder: Path, loaded: Loaded) -> None:
    accounts: dict[str, dict[str, str]] = {}
    for file in _each(folder, "accounts"):
        system = Path(file.name).stem
        loaded.findings += file.findings
        if system not in connections.known():
            loaded.findings.append(file.finding((), *connections.unknown(system)))
        for ours, theirs in file.mapping.items():
            if ours not in ACCOUNT_NAMES:
                known = f"known are {', '.join(sorted(ACCOUNT_NAMES))}"
                loaded.findings.append(
                    file.finding((ours,), "this account is not known", known, "Rename it.")
                )
            elif not isinstance(theirs, str) or not theirs:
                quotes = f'Put it in quotes: "{theirs}".'
                loaded.findings.append(
                    file.finding(
                        (ours,), f"{theirs!r} was seen", "an account number in quotes is expected", quotes
                    )
                )
        accounts[system] = dict(file.mapping)
    loaded.document["accounts"] = accounts


def _entities(folder: Path, loaded: Loaded) -> None:
    entities: dict[str, Any] = {}
    for file in _each(folder, "entities"):
        shape, wrong = parse(file, EntityFile)
        loaded.findings += [
            *file.misnamed("legal entity"),
            *wrong,
            *_tax_number(file, shape),
            *_calendar(file, shape),
        ]
        entities[Path(file.name).stem] = shape.model_dump(mode="json", exclude_none=True) if shape else {}
    loaded.document["entities"] = entities


def _calendar(file: YamlFile, shape: EntityFile | None) -> list[Finding]:
    """What is wrong with the fiscal calendar that a legal entity states."""
    try:
        calendar_of(shape.model_dump() if shape else {})
    except ValueError as error:
        place = next(
            key for key in ("week_53", "year_end", "year_ends_on") if file.value.get(key) is not None
        )
        return [
            file.finding((place,), str(error), "a calendar that can be", "Correct it, or state month_end.")
        ]
    return []


def _tax_number(file: YamlFile, shape: EntityFile | None) -> list[Finding]:
    """What is wrong with the tax number that a legal entity states on its invoices."""
    stated = shape.invoices if shape else None
    if stated is None or stated.tax_id is None:
        return []
    wrong = read_tax_number(stated.tax_id, stated.country).findings
    place = ("invoices", "tax_id")
    return [file.finding(place, said, "a tax number whose check digits fit", "Correct it.") for said in wrong]


def _billing(folder: Path, loaded: Loaded) -> None:
    file = _one(folder, "billing.yaml")
    if file is None:
        return
    shape, wrong = parse(file, BillingFile)
    loaded.findings += wrong
    if shape is not None:
        agreed = enumerate(shape.transfer_margins)
        loaded.findings += _overlaps("transfer_margins", [(file, number, one) for number, one in agreed])
        loaded.document["billing"] = shape.model_dump(mode="json", exclude_none=True, by_alias=True)


def _cards(folder: Path, loaded: Loaded) -> None:
    cards, wrong = rates.read(folder, _each(folder, "rates"))
    loaded.findings += wrong
    loaded.cards = {code: card.prices for code, card in cards.items()}
    loaded.document["rate_cards"] = {
        code: {"currency": card.currency, "files": card.files, "prices": len(card.prices),
               "rules": dict(card.rules),
               "digest": digest_of(price.facts for _, price in card.prices).hex()}
        for code, card in cards.items()
    }  # fmt: skip
