"""Connectors: one folder per outside system, and the kit they share."""
