"""NetSuite: entities, periods, customers, documents and payments in; customers, jobs, invoices and credits out."""

from tieout.connectors.netsuite.client import NetSuite, connect

__all__ = ["NetSuite", "connect"]
