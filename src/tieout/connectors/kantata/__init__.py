"""Kantata OX: people, projects, tasks and approved time in; projects, billing profiles and statuses out."""

from tieout.connectors.kantata.client import Kantata, connect
from tieout.connectors.kantata.webhook import KantataWebhook

__all__ = ["Kantata", "KantataWebhook", "connect"]
