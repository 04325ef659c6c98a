"""I1 to I8: money and completeness."""

from __future__ import annotations

from tieout.hub import books, revenue
from tieout.hub.verify.case import Case, Result, either, listed, told


def every_hour_in_one_place(case: Case) -> Result:
    """I1: by person, project and period each approved hour is rated, non-billable or in an exception; never two of them.
    So is each approved expense.

    Hours whose rating is requested and not done yet are on their way.
    """
    return case.judged(
        "I1", "every approved hour and expense is in exactly one place, per person, project and period"
    )


def billed_within_the_event(case: Case) -> Result:
    """I2: billed less credited lies within the event and each payer's share of it, and is what the documents say."""
    return case.judged(
        "I2", "billed less credited lies within each event and share and agrees with the documents"
    )


def money_is_conserved(case: Case) -> Result:
    """I3: the value of hours and expenses, their places, the documents and the books agree, per contract and currency.

    So do cost entries and what is booked of them, and what entities charge and bear between them.
    """
    return case.judged("I3", "events, documents, revenue and cost entries and journals give the same sums")


def journals_balance(case: Case) -> Result:
    """I4: debits equal credits per journal, entity and currency; so the trial balance is zero."""
    return case.judged("I4", "every journal balances per entity and currency")


def documents_add_up(case: Case) -> Result:
    """I5: lines, tax and total agree; credits never exceed the invoice."""
    return case.judged("I5", "documents are the sum of their lines and tax, lines of their hours")


def revenue_within_the_price(case: Case) -> Result:
    """I6: what is recognised of an event never exceeds its value, what an obligation earned never its price."""
    within = "revenue lies within the value of its events and the price of what was promised"
    return either(case.found("I6"), lambda: told(listed(revenue.beyond_price(case.conn)), within))


def closed_periods_stay_closed(case: Case) -> Result:
    """I7: nothing was booked in a period that was closed then; late facts say so; each period is that of its day."""
    marked = "no journal was booked in a closed period; late facts are marked"
    return either(case.found("I7"), lambda: told(listed(books.misplaced(case.conn)), marked))


def every_fact_accounted_for(case: Case) -> Result:
    """I8: every row of the inbox is applied, superseded, ignored for a reason, on its way, or in an exception."""
    return case.judged("I8", "every fact that came is applied, superseded, ignored, or in an exception")
