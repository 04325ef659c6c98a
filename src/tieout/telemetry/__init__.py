"""Logs, redaction and failpoints; imports nothing of the hub."""
