"""Tieout: signed contracts become posted invoices across a firm's systems, and the numbers tie out."""

__version__ = "0.1.0"
