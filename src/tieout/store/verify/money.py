"""I1 to I8: every hour and every amount is somewhere, once."""

from __future__ import annotations

_FREE = "x.amount - x.reversed_amount - x.over_cap_amount - x.held_amount - x.written_off_amount"

_HOURS = """
    WITH placed AS (
        SELECT b.entry, sum(b.quantity - x.reversed_quantity) AS net,
               sum(b.quantity - x.reversed_quantity - x.billed_quantity + x.credited_quantity) AS unbilled,
               bool_or(coalesce(jsonb_typeof(b.trail->'increment'), 'null') <> 'null') AS incremented
        FROM billing_event b JOIN billing_balance x ON x.event = b.id WHERE b.source_kind = 'time' GROUP BY b.entry
    ), aside AS (
        SELECT key, bool_or(state <> 'waived' AND kind <> ALL(:keeping)) AS taken_out
        FROM exception WHERE state <> 'resolved' AND kind = ANY(:aside) GROUP BY key
    ), judged AS (
        SELECT e.key, concat_ws('/', coalesce(e.worker, '?'), coalesce(e.project, e.source_project, '?'),
                                to_char(e.work_date, 'YYYY-MM')) AS place,
               e.state = 'approved' AS approved, coalesce(e.billable, true) AS billable,
               coalesce(e.worked_hours, 0) AS hours, coalesce(p.net, 0) AS net, coalesce(p.unbilled, 0) AS unbilled,
               coalesce(p.incremented, false) AS incremented, a.key IS NOT NULL AS is_aside,
               coalesce(a.taken_out, false) AS taken_out, coalesce(c.state = 'draft', false) AS unsigned,
               EXISTS (SELECT FROM contract_terms s, jsonb_array_elements(s.lines) AS one
                       WHERE s.contract = j.contract AND coalesce(one->>'project', j.key) = j.key
                       AND one->>'billing_method' <> 'time_and_materials') AS otherwise
        FROM time_entry e LEFT JOIN placed p ON p.entry = e.key LEFT JOIN aside a ON a.key = e.key
        LEFT JOIN project j ON j.key = e.project AND j.superseded_at IS NULL
        LEFT JOIN contract c ON c.key = j.contract AND c.superseded_at IS NULL
        LEFT JOIN work w ON w.kind = 'rate' AND w.key = coalesce(j.contract, 'unassigned') AND w.requested > w.done
        WHERE e.superseded_at IS NULL AND w.key IS NULL
    ), wrong AS (
        SELECT place, key, hours, approved, CASE
            WHEN NOT approved THEN CASE WHEN net <> 0 THEN 'rated without approval' END
            WHEN NOT billable THEN CASE WHEN net <> 0 THEN 'rated and non-billable' END
            WHEN net = 0 AND incremented THEN NULL
            WHEN net = 0 AND hours <> 0 AND NOT is_aside AND NOT unsigned AND NOT otherwise THEN 'in no place'
            WHEN net <> 0 AND taken_out AND unbilled <> 0 THEN 'rated and in an exception'
            WHEN net <> 0 AND net <> hours AND NOT incremented AND NOT is_aside
                THEN concat(trim_scale(net), ' h of it rated')
            END AS what FROM judged
    )
    SELECT place AS key, concat(trim_scale(sum(hours) FILTER (WHERE approved)), ' h approved; ',
           array_to_string((array_agg(concat('entry ', key, ' (', trim_scale(hours), ' h) ', what)
                            ORDER BY key) FILTER (WHERE what IS NOT NULL))[1:3], ', ')) AS seen
    FROM wrong GROUP BY place HAVING count(what) > 0
    UNION ALL
    SELECT e.key, CASE WHEN b.entry IS NULL THEN concat('expense of ', e.amount, ' ', e.currency, ' in no place')
                       WHEN e.state <> 'approved' THEN 'expense rated without approval'
                       ELSE 'expense rated and non-billable' END
    FROM expense e LEFT JOIN (
        SELECT b.entry, bool_or(b.quantity <> x.reversed_quantity OR b.quantity = 0) AS live,
               sum(b.amount - x.reversed_amount) AS net
        FROM billing_event b JOIN billing_balance x ON x.event = b.id WHERE b.source_kind = 'expense' GROUP BY b.entry
    ) b ON b.entry = e.key
    LEFT JOIN aside a ON a.key = e.key
    LEFT JOIN project j ON j.key = e.project AND j.superseded_at IS NULL
    LEFT JOIN contract c ON c.key = j.contract AND c.superseded_at IS NULL
    LEFT JOIN work w ON w.kind = 'rate' AND w.key = coalesce(j.contract, 'unassigned') AND w.requested > w.done
    WHERE e.superseded_at IS NULL AND w.key IS NULL AND CASE
        WHEN e.state = 'approved' AND coalesce(e.billable, true) THEN b.live IS NOT TRUE AND a.key IS NULL
            AND coalesce(c.state <> 'draft', true) AND NOT EXISTS (
                SELECT FROM contract_terms s, jsonb_array_elements(s.lines) AS one
                WHERE s.contract = j.contract AND coalesce(one->>'project', j.key) = j.key
                AND one->>'billing_method' <> 'time_and_materials')
        ELSE coalesce(b.net, 0) <> 0 END
    UNION ALL
    SELECT b.entry, concat(trim_scale(x.written_off_quantity), ' h, ', trim_scale(x.written_off_amount), ' ',
                           b.currency, ' written off by nobody')
    FROM billing_balance x JOIN billing_event b ON b.id = x.event
    WHERE (x.written_off_quantity <> 0 OR x.written_off_amount <> 0)
      AND NOT EXISTS (SELECT 1 FROM invoice_line_event l JOIN invoice i ON i.id = l.invoice
                      WHERE l.event = x.event AND i.kind = 'credit_note' AND i.approver IS NOT NULL)
      AND NOT EXISTS (SELECT 1 FROM exception e WHERE e.state = 'waived' AND e.closed_by IS NOT NULL
                      AND e.kind IN ('cap-exceeded', 'purchase-order-exhausted')
                      AND (e.contract = x.contract OR e.evidence->'contracts' ? x.contract))
      AND NOT EXISTS (SELECT FROM billing_write w WHERE w.effective_at IS NOT NULL AND w.kind <> 'up' AND w.contract = b.contract
                      AND w.entry = b.entry)
      AND NOT EXISTS (SELECT FROM contract_terms s WHERE s.contract = b.contract AND (s.cap_over = 'write_off' OR EXISTS (
                      SELECT FROM jsonb_array_elements(s.caps) AS cap WHERE cap->>'over' = 'write_off')))
"""

_BALANCES = """
    WITH said AS (
        SELECT l.event,
               sum(l.quantity) FILTER (WHERE i.kind = 'invoice' AND i.number IS NOT NULL) AS billed_q,
               sum(l.amount) FILTER (WHERE i.kind = 'invoice' AND i.number IS NOT NULL) AS billed_a,
               sum(l.quantity) FILTER (WHERE i.kind = 'credit_note' AND i.number IS NOT NULL) AS credited_q,
               sum(l.amount) FILTER (WHERE i.kind = 'credit_note' AND i.number IS NOT NULL) AS credited_a,
               sum(CASE i.kind WHEN 'invoice' THEN l.amount ELSE -l.amount END)
                   FILTER (WHERE (i.kind = 'invoice' OR i.run IS NOT NULL) AND i.state IN ('draft', 'approved')) AS drafted_a,
               bool_or(i.state IN ('draft', 'approved') AND i.stale_reason IS NOT NULL) AS stale
        FROM invoice_line_event l JOIN invoice i ON i.id = l.invoice GROUP BY l.event
    )
    SELECT b.entry AS key, CASE
        WHEN x.billed_quantity - x.credited_quantity NOT BETWEEN least(0, x.quantity) AND greatest(0, x.quantity)
            OR x.billed_amount - x.credited_amount NOT BETWEEN least(0, x.amount) AND greatest(0, x.amount)
            THEN concat('billed less credited is ', x.billed_amount - x.credited_amount, ' of ', x.amount)
        WHEN (x.quantity, x.amount) <> (b.quantity, b.amount)
            THEN concat('the balance says ', x.amount, ', the event ', b.amount)
        ELSE concat('the balance says billed ', x.billed_amount, ', credited ', x.credited_amount, ', drafted ',
                    x.drafted_amount, '; the documents say ', coalesce(s.billed_a, 0), ', ',
                    coalesce(s.credited_a, 0), ', ', coalesce(s.drafted_a, 0)) END AS seen
    FROM billing_event b LEFT JOIN billing_balance x ON x.event = b.id LEFT JOIN said s ON s.event = b.id
    WHERE x.event IS NULL
       OR x.billed_quantity - x.credited_quantity NOT BETWEEN least(0, x.quantity) AND greatest(0, x.quantity)
       OR x.billed_amount - x.credited_amount NOT BETWEEN least(0, x.amount) AND greatest(0, x.amount)
       OR (x.quantity, x.amount) <> (b.quantity, b.amount)
       OR (x.billed_quantity, x.billed_amount) <> (coalesce(s.billed_q, 0), coalesce(s.billed_a, 0))
       OR (x.credited_quantity, x.credited_amount) <> (coalesce(s.credited_q, 0), coalesce(s.credited_a, 0))
       OR (x.drafted_amount <> coalesce(s.drafted_a, 0) AND NOT coalesce(s.stale, false))
    UNION ALL
    SELECT concat(b.entry, ' of ', s.payer), concat('billed less credited is ', s.billed_amount - s.credited_amount,
        ' of a share of ', s.amount, '; the documents say ', coalesce(d.net, 0))
    FROM billing_share s JOIN billing_event b ON b.id = s.event LEFT JOIN (
        SELECT l.event, i.customer, sum(CASE i.kind WHEN 'invoice' THEN l.amount ELSE -l.amount END) AS net
        FROM invoice_line_event l JOIN invoice i ON i.id = l.invoice WHERE i.number IS NOT NULL GROUP BY 1, 2
    ) d ON d.event = s.event AND d.customer = s.payer
    WHERE s.billed_amount - s.credited_amount NOT BETWEEN least(0, s.amount) AND greatest(0, s.amount)
       OR s.billed_quantity - s.credited_quantity NOT BETWEEN least(0, s.quantity) AND greatest(0, s.quantity)
       OR s.billed_amount - s.credited_amount <> coalesce(d.net, 0)
    UNION ALL
    SELECT b.entry, concat('shares of its payers are ', sum(s.amount), ' of ', b.amount)
    FROM billing_share s JOIN billing_event b ON b.id = s.event
    GROUP BY b.id HAVING sum(s.amount) <> b.amount OR sum(s.quantity) <> b.quantity
"""

_CONSERVED = f"""
    WITH unit AS (SELECT * FROM unnest(CAST(:currencies AS text[]), CAST(:units AS numeric[])) AS u(currency, unit)),
    earned AS (
        SELECT event, sum(amount) AS amount, sum(pass_through_amount) AS passed FROM revenue_entry GROUP BY event
    ),
    places AS (
        SELECT b.contract, b.currency, sum(x.recognised_amount - coalesce(e.passed, 0)) AS recognised,
               sum(x.billed_amount - x.credited_amount) AS billed
        FROM billing_event b JOIN billing_balance x ON x.event = b.id LEFT JOIN earned e ON e.event = b.id
        GROUP BY b.contract, b.currency
    ), planned AS (
        SELECT contract, currency, sum(amount) AS amount FROM obligation_revenue GROUP BY contract, currency
    ), booked AS (
        SELECT l.contract, l.currency, -sum(l.amount) AS amount FROM journal_line l JOIN journal j ON j.id = l.journal
        WHERE l.account = 'revenue' AND j.cause_type NOT IN ('dispute', 'accrual')
          AND NOT (j.cause_type = 'reversal' AND starts_with(j.cause, 'accrual:'))
        GROUP BY l.contract, l.currency
    ), invoiced AS (
        SELECT l.contract, i.currency, sum(CASE i.kind WHEN 'invoice' THEN l.net_amount ELSE -l.net_amount END) AS amount
        FROM invoice i JOIN invoice_line l ON l.invoice = i.id
        WHERE i.number IS NOT NULL AND i.purpose <> 'retention' GROUP BY l.contract, i.currency
    )
    SELECT b.entry AS key, concat('valued at ', b.amount, ': ', trim_scale(b.quantity), ' h at ',
                                  trim_scale(b.price), ' is not that') AS seen
    FROM billing_event b JOIN unit u USING (currency)
    WHERE b.kind IN ('time', 'expense', 'subcontract') AND abs(b.amount - b.quantity * b.price * b.multiplier * (1 - b.discount))
          > u.unit + abs(b.quantity * b.price) * 0.000001
    UNION ALL
    SELECT b.entry, concat('of ', b.amount, ' ', b.pass_through_amount, ' are another party''s')
    FROM billing_event b WHERE b.pass_through_amount NOT BETWEEN least(0, b.amount) AND greatest(0, b.amount)
       OR (b.nature = 'disbursement' AND b.pass_through_amount <> b.amount)
       OR (coalesce(b.nature, 'principal') = 'principal' AND b.pass_through_amount <> 0)
    UNION ALL
    SELECT b.entry, concat(b.amount, ' is not what it is billed, unbilled, over a cap, held and written off')
    FROM billing_event b JOIN billing_balance x ON x.event = b.id
    WHERE ({_FREE} - x.billed_amount + x.credited_amount) * sign(x.amount) < 0
    UNION ALL
    SELECT o.entry, concat('reversed by ', sum(r.amount), ' of ', o.amount)
    FROM billing_event r JOIN billing_event o ON o.id = r.reverses GROUP BY o.id
    HAVING sum(r.amount) + o.amount NOT BETWEEN least(0, o.amount) AND greatest(0, o.amount)
    UNION ALL
    SELECT b.entry, concat('recognised ', x.recognised_amount, ', its journals say ', coalesce(e.amount, 0))
    FROM billing_balance x JOIN billing_event b ON b.id = x.event LEFT JOIN earned e ON e.event = x.event
    WHERE x.recognised_amount <> coalesce(e.amount, 0)
    UNION ALL
    SELECT b.entry, concat('recognised ', x.recognised_amount, ', passed on ', e.passed, ', of ', b.amount, ' with ',
                           b.pass_through_amount)
    FROM billing_event b JOIN billing_balance x ON x.event = b.id JOIN earned e ON e.event = b.id JOIN unit u USING (currency)
    WHERE abs(e.passed * b.amount - x.recognised_amount * b.pass_through_amount) > u.unit * abs(b.amount)
    UNION ALL
    SELECT contract, concat('revenue in the books ', coalesce(k.amount, 0), ' ', currency, ', of its events and plans ',
                            coalesce(p.recognised, 0) + coalesce(o.amount, 0))
    FROM places p FULL JOIN booked k USING (contract, currency) FULL JOIN planned o USING (contract, currency)
    WHERE coalesce(k.amount, 0) <> coalesce(p.recognised, 0) + coalesce(o.amount, 0)
    UNION ALL
    SELECT contract, concat('documents bill ', coalesce(i.amount, 0), ' ', currency, ', its events ',
                            coalesce(p.billed, 0))
    FROM places p FULL JOIN invoiced i USING (contract, currency)
    WHERE coalesce(i.amount, 0) <> coalesce(p.billed, 0)
"""  # noqa: S608

_COSTS = """
    SELECT concat_ws('/', contract, legal_entity) AS key, concat(account, ' in the books ', coalesce(k.amount, 0), ' ',
           currency, ', of its cost entries ', coalesce(c.amount, 0)) AS seen
    FROM (SELECT contract, legal_entity, currency, CASE kind WHEN 'subcontract' THEN 'subcontract_cost'
                 WHEN 'expense' THEN 'expense_cost' WHEN 'pass_through' THEN 'pass_through'
                 ELSE 'labor_cost' END AS account, sum(amount) AS amount
          FROM cost_entry WHERE kind <> 'payroll' GROUP BY 1, 2, 3, 4) AS c
    FULL JOIN (SELECT l.contract, l.legal_entity, l.currency, l.account, sum(l.amount) AS amount
          FROM journal_line l JOIN journal j ON j.id = l.journal
          WHERE j.cause_type IN ('cost', 'labor_variance') AND l.account IN ('labor_cost', 'subcontract_cost', 'expense_cost', 'pass_through')
          GROUP BY 1, 2, 3, 4) AS k USING (contract, legal_entity, currency, account)
    WHERE coalesce(k.amount, 0) <> coalesce(c.amount, 0)
    UNION ALL
    SELECT contract, concat('charged between entities ', coalesce(k.revenue, 0), ' and borne ', coalesce(k.cost, 0), ' ',
                            currency, ', its charges say ', coalesce(t.amount, 0))
    FROM (SELECT contract, currency, sum(amount) AS amount FROM transfer_entry GROUP BY 1, 2) AS t
    FULL JOIN (SELECT contract, currency, sum(amount) FILTER (WHERE account = 'intercompany_cost') AS cost,
                      -sum(amount) FILTER (WHERE account = 'intercompany_revenue') AS revenue
               FROM journal_line WHERE account IN ('intercompany_cost', 'intercompany_revenue') GROUP BY 1, 2) AS k
        USING (contract, currency)
    WHERE coalesce(k.cost, 0) <> coalesce(t.amount, 0) OR coalesce(k.revenue, 0) <> coalesce(t.amount, 0)
    UNION ALL
    SELECT c.source, concat('withdrawn, and costs ', sum(c.amount), ' ', c.currency)
    FROM cost_entry c JOIN time_entry e ON e.key = c.source AND e.superseded_at IS NULL AND e.state = 'withdrawn'
    LEFT JOIN work w ON w.kind = 'cost' AND w.key = c.contract AND w.requested > w.done
    WHERE c.kind = 'labor' AND w.key IS NULL GROUP BY c.source, c.currency HAVING sum(c.amount) <> 0
"""

_JOURNALS = """
    SELECT concat(j.cause_type, ':', j.cause) AS key,
           concat(l.legal_entity, ' ', l.currency, ': debits less credits are ', sum(l.amount), ' and ',
                  sum(l.functional_amount)) AS seen
    FROM journal j JOIN journal_line l ON l.journal = j.id
    GROUP BY j.id, l.legal_entity, l.currency HAVING sum(l.amount) <> 0 OR sum(l.functional_amount) <> 0
    UNION ALL
    SELECT concat(j.cause_type, ':', j.cause), 'it has no lines' FROM journal j
    WHERE NOT EXISTS (SELECT 1 FROM journal_line l WHERE l.journal = j.id)
"""

_TOTALS = """
    WITH unit AS (SELECT * FROM unnest(CAST(:currencies AS text[]), CAST(:units AS numeric[])) AS u(currency, unit)),
    lines AS (
        SELECT invoice, sum(net_amount) AS net, sum(net_amount * tax_rate) AS tax,
               count(DISTINCT (tax_category, tax_rate)) AS rates
        FROM invoice_line GROUP BY invoice
    ), behind AS (
        SELECT invoice, line, sum(quantity) AS quantity, sum(amount) AS amount FROM invoice_line_event
        GROUP BY invoice, line
    ), notes AS (
        SELECT credits, sum(net_amount) AS net, sum(gross_amount) AS gross FROM invoice
        WHERE kind = 'credit_note' AND number IS NOT NULL GROUP BY credits
    )
    SELECT coalesce(i.number, concat('D-', i.draft_number)) AS key,
           concat('net ', i.net_amount, ' + tax ', i.tax_amount, ' = ', i.gross_amount, '; its lines say net ',
                  coalesce(l.net, 0), ', tax ', trim_scale(coalesce(l.tax, 0))) AS seen
    FROM invoice i JOIN unit u ON u.currency = i.currency LEFT JOIN lines l ON l.invoice = i.id
    WHERE i.net_amount <> coalesce(l.net, 0) OR i.gross_amount <> i.net_amount + i.tax_amount
       OR abs(i.tax_amount - coalesce(l.tax, 0)) > u.unit * coalesce(l.rates, 0)
    UNION ALL
    SELECT concat(coalesce(i.number, concat('D-', i.draft_number)), '/', l.line),
           concat('line ', l.net_amount, ', the hours behind it ', coalesce(b.amount, 0))
    FROM invoice_line l JOIN invoice i ON i.id = l.invoice
    LEFT JOIN behind b ON b.invoice = l.invoice AND b.line = l.line
    WHERE l.settles IS NULL AND (l.net_amount <> coalesce(b.amount, 0) OR l.quantity <> coalesce(b.quantity, 0))
    UNION ALL
    SELECT concat(coalesce(i.number, concat('D-', i.draft_number)), '/', l.line),
           concat('it is of ', l.contract, '/', l.contract_line, ', ', e.entry, ' behind it of ', e.contract, '/', e.line)
    FROM invoice_line l JOIN invoice i ON i.id = l.invoice
    JOIN invoice_line_event p ON p.invoice = l.invoice AND p.line = l.line JOIN billing_event e ON e.id = p.event
    WHERE (l.contract, l.contract_line) <> (e.contract, e.line)
    UNION ALL
    SELECT i.number, concat('kept back ', i.retained_amount, ', asked for ', sum(l.net_amount))
    FROM invoice_line l JOIN invoice d ON d.id = l.invoice AND d.state <> 'void' AND d.purpose = 'retention'
    JOIN invoice i ON i.number = l.settles GROUP BY i.id HAVING sum(l.net_amount) > i.retained_amount
    UNION ALL
    SELECT i.number, concat('credited ', n.gross, ' of ', i.gross_amount)
    FROM notes n JOIN invoice i ON i.id = n.credits WHERE n.net > i.net_amount OR n.gross > i.gross_amount
"""

_REVENUE = """
    SELECT b.entry AS key, concat('recognised ', x.recognised_amount, ' of ', x.amount) AS seen
    FROM billing_balance x JOIN billing_event b ON b.id = x.event
    WHERE x.recognised_amount NOT BETWEEN least(0, x.amount) AND greatest(0, x.amount)
"""

_CLOSED = """
    SELECT concat(j.cause_type, ':', j.cause) AS key,
           concat('booked on ', j.booking_date, ', when ', p.key, ' was closed') AS seen
    FROM journal j JOIN period p ON p.legal_entity = j.legal_entity AND j.booking_date BETWEEN p.start_date AND p.end_date
    WHERE p.state = 'closed' AND p.recorded_at < j.recorded_at
      AND (p.superseded_at IS NULL OR p.superseded_at > j.recorded_at)
    UNION ALL
    SELECT concat(j.cause_type, ':', j.cause),
           concat('the fact is of ', j.event_date, ', it is booked on ', j.booking_date, ' in ', j.period,
                  CASE WHEN j.prior_period THEN ' as a late one' ELSE ' without saying that it is late' END)
    FROM journal j
    WHERE j.prior_period <> (j.event_date <> j.booking_date)
"""

_INBOX = """
    WITH about AS (
        SELECT DISTINCT evidence->>'connection' AS connection, evidence->>'object' AS object,
               coalesce(evidence->>'source_id', '') AS source_id
        FROM exception WHERE state <> 'resolved' AND evidence ? 'connection' AND evidence ? 'object'
    )
    SELECT concat(i.object, ' ', i.source_id) AS key,
           concat('version ', i.source_version, ' of ', i.connection, ' is ', i.state, ' and nothing says why') AS seen
    FROM inbox i
    WHERE (i.state = 'new' AND NOT EXISTS (
              SELECT 1 FROM work w WHERE w.kind = 'sync' AND w.requested > w.done
              AND w.key = concat(i.connection, '/', i.object)))
       OR (i.state IN ('held', 'refused') AND NOT EXISTS (
              SELECT 1 FROM about a WHERE a.connection = i.connection AND a.object = i.object
              AND a.source_id IN (i.source_id, ''))
           AND NOT (i.state = 'held' AND EXISTS (
              SELECT 1 FROM work w LEFT JOIN source_cursor s ON w.key = concat(s.connection, '/', s.object)
              WHERE w.kind = 'sync' AND w.requested > w.done AND i.id > coalesce(s.read_to, 0)
              AND starts_with(w.key, concat(i.connection, '/'))
              AND starts_with(i.detail, concat('waits for ', split_part(w.key, '/', 2), ' ')))))
       OR (i.state = 'superseded' AND NOT EXISTS (
              SELECT 1 FROM inbox o WHERE o.connection = i.connection AND o.object = i.object
              AND o.source_id = i.source_id AND o.state IN ('applied', 'new') AND o.id <> i.id
              AND o.source_version COLLATE "C" >= i.source_version COLLATE "C"))
       OR (i.state = 'applied' AND i.applied_at IS NULL)
       OR (i.state = 'ignored' AND i.detail IS NULL)
"""

MONEY = {
    "I1": _HOURS, "I2": _BALANCES, "I3": f"{_CONSERVED} UNION ALL {_COSTS}", "I4": _JOURNALS, "I5": _TOTALS, "I6": _REVENUE, "I7": _CLOSED,
    "I8": _INBOX,
}  # fmt: skip
