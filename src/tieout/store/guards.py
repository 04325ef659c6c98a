"""What the database itself refuses: unbalanced journals, closed periods, a bill to who is no payer, and any change of
what only grows."""

from __future__ import annotations

_BALANCED = """
CREATE FUNCTION tieout_check_journal_lines() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE bad record;
BEGIN
    SELECT journal, legal_entity, currency, sum(amount) AS amount INTO bad FROM added
        GROUP BY journal, legal_entity, currency HAVING sum(amount) <> 0 OR sum(functional_amount) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % of % does not balance in %: %', bad.journal, bad.legal_entity, bad.currency,
            bad.amount USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    SELECT p.key, d.booking_date INTO bad
        FROM (SELECT DISTINCT legal_entity, booking_date FROM added) AS d JOIN period p
            ON p.legal_entity = d.legal_entity AND d.booking_date BETWEEN p.start_date AND p.end_date
        WHERE p.superseded_at IS NULL AND p.state = 'closed' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'period % is closed: nothing is booked on %', bad.key, bad.booking_date
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    SELECT a.journal INTO bad FROM added a JOIN journal j ON j.id = a.journal
        WHERE j.booking_date <> a.booking_date LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % and its lines differ in booking date', bad.journal
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$
"""

_BALANCED_TRIGGER = """
CREATE TRIGGER journal_lines_balance AFTER INSERT ON journal_line REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION tieout_check_journal_lines()
"""

_GROWS_ONLY = """
CREATE FUNCTION tieout_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only grows: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$
"""

_OF_A_PAYER = """
CREATE FUNCTION tieout_check_payer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE bad record;
BEGIN
    SELECT a.event, i.customer INTO bad FROM added a JOIN billing_share s ON s.event = a.event
        JOIN invoice i ON i.id = a.invoice
        GROUP BY a.event, i.id, i.customer HAVING NOT bool_or(s.payer = i.customer) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'event % is not for % to pay', bad.event, bad.customer
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$
"""

_OF_A_PAYER_TRIGGER = """
CREATE TRIGGER line_event_of_a_payer AFTER INSERT ON invoice_line_event REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION tieout_check_payer()
"""

APPEND_ONLY = (
    "journal", "journal_line", "revenue_entry", "obligation_revenue", "cost_entry", "transfer_entry", "worker_terms", "cost_rate", "audit",
    "audit_seal",
)  # fmt: skip
"""Tables whose rows are never changed or removed; a correction is a further row."""

_EVENT_FACTS = (
    "id", "kind", "source_kind", "contract", "line", "legal_entity", "project", "task", "entry", "reverses", "worker",
    "role", "work_date", "worked_hours", "quantity", "price", "multiplier", "discount", "amount", "pass_through_amount",
    "nature", "currency", "card", "trail", "item", "description", "period_start", "period_end", "sequence",
    "recorded_at",
)  # fmt: skip
"""Columns of a billing event that never change: all but the version of its entry, which may follow a later one."""


def _refusing(table: str, operations: str) -> str:
    return (
        f"CREATE TRIGGER {table}_grows_only BEFORE {operations} ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION tieout_refuse_change()"
    )


def statements() -> list[str]:
    """The statements that install the guards on an empty schema."""
    facts = ", ".join(_EVENT_FACTS)
    return [
        _BALANCED,
        _BALANCED_TRIGGER,
        _OF_A_PAYER,
        _OF_A_PAYER_TRIGGER,
        _GROWS_ONLY,
        *(_refusing(table, "UPDATE OR DELETE OR TRUNCATE") for table in APPEND_ONLY),
        _refusing("billing_event", f"UPDATE OF {facts} OR DELETE OR TRUNCATE"),
    ]


def removals() -> list[str]:
    """The statements that remove what outlives the tables."""
    names = ("check_journal_lines", "check_payer", "refuse_change")
    return [f"DROP FUNCTION tieout_{name}()" for name in names]
