"""Revenue recognised and the balances it leaves against billing (IFRS 15, ASC 606), by the standard's five steps.

One file per family of rules; each docstring names its paragraphs.

| rule | file | IFRS 15 |
| --- | --- | --- |
| right to invoice, and where it is doubtful | `as_invoiced`, `expedient` | B16 |
| fees of periods, prepaid hours, what is given up of them | `periods` | B16, B18, B44–B47; 18, 51, 87 |
| what an agent earns for another party | `agency` | B34–B38 |
| transaction price over obligations; bundles, residual | `allocation` | 73–86 |
| variable consideration, constraint; its changes | `variable`, `resharing` | 50–59, 84–90 |
| modifications: separate, prospective, cumulative | `modifications`, `changes` | 18–21 |
| measures of progress, time elapsed | `progress`, `straight_line` | 38–45, B14–B19 |
| revenue to date, what is unbooked | `earned`, `recognise` | 9, 31, 46, 87 |
| contract asset, liability, receivable, refund liability | `balances` | 55, 105–108 |
| what will be given back of billing | `refunds` | 55, B20–B27 |
| losses | `losses` | 101; IAS 37.66–69; ASC 605-35 |
| contract costs | `contract_costs` | 91–104 |
| credit notes | `credits` | 51, 87 |
| significant financing | `financing` | 60–65 |

A run: `valid_readings` and `estimate_variable` judge the facts; `plan_revenue` makes the plan of prices from terms and
amendments; `recognise_to_date` values it on the days asked for (coming days give the schedule); `unbooked` says what
the books still lack. Every amount is exact; every rounding is `shares` (largest remainder, or one rounding of a
running total).
"""

from tieout.domain.revenue.agency import passed_on
from tieout.domain.revenue.allocation import allocate_price, allocated, pool_promises
from tieout.domain.revenue.as_invoiced import recognise_as_invoiced
from tieout.domain.revenue.balances import (
    contract_balances,
    contract_positions,
    counted_billing,
    net_by_contract,
)
from tieout.domain.revenue.contract_costs import contract_costs_to_date
from tieout.domain.revenue.credits import credit_effects
from tieout.domain.revenue.expedient import question_expedient
from tieout.domain.revenue.financing import accreted, flag_financing, present_value
from tieout.domain.revenue.losses import expected_losses
from tieout.domain.revenue.modifications import RevenuePlan, plan_revenue
from tieout.domain.revenue.periods import earn_periods, give_up
from tieout.domain.revenue.progress import Performance, costs_at_completion, valid_readings
from tieout.domain.revenue.recognise import Recognition, existing, recognise_to_date, unbooked
from tieout.domain.revenue.refunds import expected_refunds
from tieout.domain.revenue.variable import estimate_variable

__all__ = [
    "costs_at_completion",
    "existing",
    "Performance",
    "Recognition",
    "RevenuePlan",
    "accreted",
    "allocate_price",
    "allocated",
    "contract_balances",
    "contract_costs_to_date",
    "contract_positions",
    "earn_periods",
    "counted_billing",
    "credit_effects",
    "estimate_variable",
    "expected_losses",
    "expected_refunds",
    "flag_financing",
    "give_up",
    "net_by_contract",
    "passed_on",
    "plan_revenue",
    "pool_promises",
    "present_value",
    "question_expedient",
    "recognise_as_invoiced",
    "recognise_to_date",
    "unbooked",
    "valid_readings",
]
