"""Scenario files: a firm, a timeline and what must come out, played through the same path as live data."""
