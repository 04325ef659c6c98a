"""The tax categories of EN 16931 (UNCL 5305): their names and the reason a document states where no tax is charged."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Category:
    """`reason` and its VATEX `code`: stated on the document where the category charges no tax; else None."""

    code: str
    name: str
    reason: str | None = None
    reason_code: str | None = None


CATEGORIES: dict[str, Category] = {
    one.code: one
    for one in (
        Category("S", "Standard rate"),
        Category("Z", "Zero rate"),
        Category("E", "Exempt", "Exempt from tax"),
        Category("AE", "Reverse charge", "Reverse charge: the customer accounts for the tax", "VATEX-EU-AE"),
        Category("K", "Intra-Community supply", "Intra-Community supply of goods", "VATEX-EU-IC"),
        Category("G", "Export", "Export outside the Union", "VATEX-EU-G"),
        Category("O", "Outside the scope of tax", "Not subject to VAT", "VATEX-EU-O"),
        Category("L", "IGIC"),
        Category("M", "IPSI"),
    )
}

UNTAXED = frozenset({"Z", "E", "AE", "K", "G", "O"})
"""Categories under which no tax is charged: their rate is zero (BR-Z-05, BR-E-05, BR-AE-05, BR-IC-05, BR-G-05)."""

EXEMPT = "E"
"""The category of what an exempt buyer buys: the document states why no tax is charged (BR-E-10)."""

OUT_OF_SCOPE = "O"
"""The category that stands alone on its document and names no VAT number and no rate (BR-O-02 to BR-O-14)."""

REVERSED = "AE"
"""The category that needs the VAT numbers of both (BR-AE-02 to BR-AE-04)."""
