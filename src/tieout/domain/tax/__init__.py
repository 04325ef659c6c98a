"""Tax: when it is due, which category and rate a sale falls under, what a category states, and the numbers of the parties."""

from tieout.domain.tax.categories import CATEGORIES, EXEMPT, OUT_OF_SCOPE, REVERSED, UNTAXED, Category
from tieout.domain.tax.identifiers import UNION, TaxNumber, read_tax_number
from tieout.domain.tax.points import INVOICE, PAYMENT, SUPPLY, with_tax_point
from tieout.domain.tax.sales import tax_sales
from tieout.domain.tax.treatment import TaxResult, determine_tax

__all__ = [
    "CATEGORIES",
    "EXEMPT",
    "INVOICE",
    "OUT_OF_SCOPE",
    "PAYMENT",
    "REVERSED",
    "SUPPLY",
    "UNION",
    "UNTAXED",
    "Category",
    "TaxNumber",
    "TaxResult",
    "determine_tax",
    "read_tax_number",
    "tax_sales",
    "with_tax_point",
]
