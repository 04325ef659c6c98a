"""Processes that measures start: ours and the bare baselines."""
