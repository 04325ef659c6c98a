"""Measures for leaders: one definition each, over rows that can be drilled into."""

from tieout.domain.measures.billing import billing_accuracy, exception_rate, latency_days

__all__ = ["billing_accuracy", "exception_rate", "latency_days"]
