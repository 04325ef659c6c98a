"""Rating: from approved time to billing events, caps, revenue and exceptions, contract by contract, all at once."""

from tieout.hub.rating.run import Rated, rate_contracts, rate_unassigned

__all__ = ["Rated", "rate_contracts", "rate_unassigned"]
