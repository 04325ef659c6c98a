"""Record ids in the form of each vendor, made from a running number (same order of creation, same ids)."""

from __future__ import annotations

PREFIXES = {
    "Account": "001", "Contact": "003", "Opportunity": "006", "User": "005", "OpportunityLineItem": "00k",
    "Contract": "800", "Product2": "01t", "PricebookEntry": "01u", "Pricebook2": "01s", "Task": "00T",
    "SBQQ__Quote__c": "a0q", "SBQQ__QuoteLine__c": "a0r",
}  # fmt: skip
_POD = "5g0"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
FIRST = {"kantata": 10_000_000, "netsuite": 1_000}


def make_id(system: str, type: str, number: int) -> str:
    """Salesforce: 18 characters with the key prefix of the object; the others: digits."""
    if system == "salesforce":
        return salesforce_id(PREFIXES.get(type, "a0z"), number)
    return str(FIRST.get(system, 0) + number)


def salesforce_id(prefix: str, number: int) -> str:
    """Key prefix, pod, number in base 62, and the three letters that tell upper from lower case."""
    digits = ""
    for _ in range(9):
        number, rest = divmod(number, 62)
        digits = _BASE62[rest] + digits
    return long_id(prefix + _POD + digits)


def long_id(short: str) -> str:
    """The 18-character form of a 15-character id: one letter of base 32 for each five characters."""
    suffix = ""
    for start in (0, 5, 10):
        bits = sum(1 << place for place, letter in enumerate(short[start : start + 5]) if letter.isupper())
        suffix += _BASE32[bits]
    return short + suffix
