"""Salesforce: accounts, opportunities, CPQ quotes and contracts in; project and invoice status out."""

from tieout.connectors.salesforce.client import Salesforce, connect

__all__ = ["Salesforce", "connect"]
