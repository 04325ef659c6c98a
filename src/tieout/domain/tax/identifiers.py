"""Tax numbers: their compact form, and what is wrong with them, by the check digits of their country (python-stdnum).

Nothing is asked of a register (VIES): a number that passes can still be one that was never given or was withdrawn.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from stdnum import get_cc_module
from stdnum.exceptions import InvalidChecksum, InvalidFormat, InvalidLength, ValidationError
from stdnum.us import ein

UNION = frozenset(
    {"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
     "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"}
)  # fmt: skip
"""Member states of the European Union."""

_PREFIXED = UNION | {"GB", "CH", "NO"}
"""Countries whose VAT numbers are written with a prefix on an e-invoice (EN 16931, BR-CO-09)."""
_PREFIXES = {"GR": "EL"}
"""Country -> prefix of its VAT numbers, where it is another than the country's code."""
_COUNTRIES = {"EL": "GR", "XI": "GB"}
_WRONG: tuple[tuple[type[ValidationError], str], ...] = (
    (InvalidLength, "its length is not that of such a number"),
    (InvalidFormat, "it is not written as such a number"),
    (InvalidChecksum, "its check digits do not fit"),
)


@dataclass(frozen=True)
class TaxNumber:
    """`number` compact, a VAT number with its prefix; `kind`: vat, ein, or other where no rule of the country is known.

    `findings`: what is wrong, in words; empty = it passes, or cannot be checked.
    """

    number: str
    kind: Literal["vat", "ein", "other"]
    findings: tuple[str, ...] = ()


def read_tax_number(stated: str, country: str | None) -> TaxNumber:
    """The tax number of a party in a country (ISO 3166, None = unknown), with what is wrong with it.

    A VAT number may be that of another country: its own prefix counts then. Before -> after: "de 136 695 976" of a
    party in DE or FR -> DE136695976, vat; "136695976" of a party in DE -> the same.
    """
    compact = re.sub(r"[\s.\-/]", "", stated).upper()
    if country == "US":
        return _checked(ein.compact(stated), "ein", ein, stated, "an employer identification number")
    home, prefixed = _home(compact, country)
    module = get_cc_module(home.lower(), "vat") if home else None
    if module is None:
        return TaxNumber(compact, "other")
    if home not in _PREFIXED:
        return _checked(compact, "other", module, compact, f"a tax number of {home}")
    own = _PREFIXES.get(home, home)
    bare = compact.removeprefix(prefixed)
    written = prefixed if prefixed == "XI" else own
    number = compact if compact.startswith(written) else f"{written}{bare}"
    return _checked(number, "vat", module, _for_module(home, number, bare), f"a VAT number of {home}")


def _home(compact: str, country: str | None) -> tuple[str, str]:
    """The country whose rule counts and the prefix that was written; the empty text where there is none."""
    prefix = compact[:2]
    stated = _COUNTRIES.get(prefix, prefix)
    return (stated, prefix) if stated in _PREFIXED else (country or "", "")


def _for_module(home: str, number: str, bare: str) -> str:
    """The number in the form that the country's module reads."""
    return number if home == "CH" else bare


def _checked(
    number: str, kind: Literal["vat", "ein", "other"], module: Any, asked: str, name: str
) -> TaxNumber:
    try:
        module.validate(asked)
    except ValidationError as error:
        why = next((words for wrong, words in _WRONG if isinstance(error, wrong)), "it is not one")
        return TaxNumber(number, kind, (f"{number} is not {name}: {why}",))
    return TaxNumber(number, kind)
