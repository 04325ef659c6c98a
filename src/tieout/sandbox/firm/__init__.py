"""Meridian, a generated professional-services firm that lives in all simulated systems at once."""

from tieout.sandbox.firm.generation import generate
from tieout.sandbox.firm.plan import Firm, Stop
from tieout.sandbox.firm.planted import MESS, Planted
from tieout.sandbox.firm.timeline import Timeline

__all__ = ["MESS", "Firm", "Planted", "Stop", "Timeline", "generate"]
