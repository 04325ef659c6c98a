"""Tax treatment: which category and rate a sale falls under."""

from tieout.domain.tax.treatment import TaxResult, determine_tax

__all__ = ["TaxResult", "determine_tax"]
