"""Tie-outs: two systems' keyed facts compared item by item, differences explained where a rule finds the cause."""

from tieout.domain.tieout.billed import explain_billed, tie_out_billed
from tieout.domain.tieout.compare import compare

__all__ = ["compare", "explain_billed", "tie_out_billed"]
