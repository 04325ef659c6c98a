"""The shape of every frame the domain takes or returns, by subject, and the one check that enforces it (`checks`).

Amounts are in currency units, hours in hours, shares from 0 to 1; all exact decimals with the scales of the store.
Dates are civil dates, inclusive at both ends; a null end date means open.
"""

from tieout.domain.frames.billing import *  # noqa: F403
from tieout.domain.frames.books import *  # noqa: F403
from tieout.domain.frames.checks import *  # noqa: F403
from tieout.domain.frames.rating import *  # noqa: F403
from tieout.domain.frames.revenue import *  # noqa: F403
