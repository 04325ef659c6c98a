"""Tax: which category and rate a sale falls under, what a category states, and the numbers of the parties."""

from tieout.domain.tax.categories import CATEGORIES, OUT_OF_SCOPE, REVERSED, UNTAXED, Category
from tieout.domain.tax.identifiers import UNION, TaxNumber, read_tax_number
from tieout.domain.tax.treatment import TaxResult, determine_tax

__all__ = [
    "CATEGORIES",
    "OUT_OF_SCOPE",
    "REVERSED",
    "UNION",
    "UNTAXED",
    "Category",
    "TaxNumber",
    "TaxResult",
    "determine_tax",
    "read_tax_number",
]
