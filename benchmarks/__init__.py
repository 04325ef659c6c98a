"""Rerunnable benchmarks: each measures Tieout against a bare baseline in the same run, so that machines do not matter."""
