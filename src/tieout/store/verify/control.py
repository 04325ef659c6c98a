"""I19 to I30: who decided what, that it stayed so, and that nothing is left behind."""

from __future__ import annotations

_OPEN = "state NOT IN ('waived', 'resolved')"

_APPROVALS = """
    SELECT concat(a.type, ' ', a.key) AS key, CASE
        WHEN lower(btrim(a.preparer)) = lower(btrim(a.approver)) THEN concat(a.approver, ' prepared it')
        ELSE concat(a.approver, ' had not the role ', a.role, ' at ', a.recorded_at) END AS seen
    FROM approval a
    WHERE lower(btrim(a.preparer)) = lower(btrim(a.approver))
       OR NOT EXISTS (
            SELECT 1 FROM person p JOIN person_role r ON r.person_id = p.id
            WHERE p.email = lower(btrim(a.approver)) AND r.role = a.role AND r.granted_at <= a.recorded_at
              AND (r.revoked_at IS NULL OR r.revoked_at > a.recorded_at)
              AND (p.disabled_at IS NULL OR p.disabled_at > a.recorded_at))
       OR NOT EXISTS (SELECT 1 FROM unnest(CAST(:types AS text[]), CAST(:roles AS text[])) AS may(type, role)
                      WHERE may.type = a.type AND may.role = a.role)
    UNION ALL
    SELECT coalesce(i.number, concat('D-', i.draft_number)), concat('it is ', i.state, ' without an approval by ',
                                                                    coalesce(i.approver, 'anyone'))
    FROM invoice i WHERE i.state IN ('approved', 'released', 'posted', 'part_paid', 'paid', 'credited')
      AND (lower(btrim(i.preparer)) = lower(btrim(i.approver)) OR NOT EXISTS (
            SELECT 1 FROM approval a WHERE a.type = i.kind AND a.key = concat('D-', i.draft_number)
            AND a.decision = 'approved' AND a.approver = i.approver AND a.content_hash = i.approved_hash))
    UNION ALL
    SELECT concat(e.kind, ' ', e.key), concat('waived by ', e.closed_by, ' without an approval')
    FROM exception e WHERE e.state = 'waived'
      AND NOT EXISTS (SELECT 1 FROM approval a WHERE a.type = 'waiver' AND a.key = e.id::text
                      AND a.approver = e.closed_by)
"""

_CONTENT = """
    SELECT coalesce(i.number, concat('D-', i.draft_number)) AS key, 'it is not what was approved' AS seen
    FROM invoice i WHERE i.state IN ('approved', 'released', 'posted', 'part_paid', 'paid', 'credited')
      AND i.approved_hash IS DISTINCT FROM i.content_hash
    UNION ALL
    SELECT i.number, concat('what was ', a.action, 'd is not what is stored')
    FROM invoice i JOIN audit a ON a.type = i.kind AND a.key = i.number AND a.action = 'release'
    WHERE encode(a.digest, 'hex') <> i.content_hash
"""

_AUDITED = """
    WITH told AS (SELECT action, type, key, count(*) AS times FROM audit GROUP BY action, type, key)
    SELECT done.key, concat(done.action, ' has ', coalesce(t.times, 0), ' audit rows') AS seen
    FROM (
        SELECT 'release' AS action, kind AS type, number AS key FROM invoice WHERE number IS NOT NULL
        UNION ALL SELECT 'post', kind, number FROM invoice WHERE posted_at IS NOT NULL
        UNION ALL SELECT 'start', 'billing_run', id::text FROM billing_run
        UNION ALL SELECT 'approve', type, key FROM approval WHERE decision = 'approved' AND type <> 'waiver'
        UNION ALL SELECT 'reject', type, key FROM approval WHERE decision = 'rejected'
    ) AS done LEFT JOIN told t USING (action, type, key) WHERE coalesce(t.times, 0) <> 1
    UNION ALL
    SELECT concat(e.kind, ' ', e.key), 'waive has no audit row'
    FROM exception e WHERE e.state = 'waived' AND NOT EXISTS (
        SELECT 1 FROM audit a WHERE a.type = 'exception' AND a.key = e.key AND a.action = 'waive'
        AND a.detail->>'exception' = e.id::text)
"""

_ENTITIES = """
    WITH own AS (SELECT key, array_agg(DISTINCT legal_entity) AS entities FROM contract GROUP BY key)
    SELECT said.key, concat('it is of ', coalesce(said.entity, 'no entity'), ', contract ', said.contract, ' of ',
                            array_to_string(o.entities, ', ')) AS seen
    FROM (
        SELECT entry AS key, contract, legal_entity AS entity, CAST(NULL AS uuid) AS journal FROM billing_event
        UNION ALL SELECT coalesce(number, concat('D-', draft_number)), contract, legal_entity, NULL FROM invoice
        UNION ALL SELECT concat(cause_type, ':', cause), contract, legal_entity, id FROM journal
        UNION ALL SELECT concat(j.cause_type, ':', j.cause), l.contract, l.legal_entity, j.id
            FROM journal_line l JOIN journal j ON j.id = l.journal
    ) AS said JOIN own o ON o.key = said.contract
    WHERE (said.entity IS NULL OR NOT said.entity = ANY(o.entities))
      AND NOT EXISTS (SELECT FROM cost_entry c WHERE c.journal = said.journal AND c.legal_entity = said.entity)
      AND NOT EXISTS (SELECT FROM transfer_entry t WHERE t.journal = said.journal
                      AND said.entity IN (t.supplier, t.buyer))
    GROUP BY said.key, said.entity, said.contract, o.entities
"""

_SECRETS = """
    WITH sink AS (
        SELECT concat('audit ', id) AS key, concat(key, ' ', reason, ' ', detail) AS said FROM audit
        UNION ALL SELECT concat('exception ', kind, ' ', key), concat(key, ' ', cause, ' ', evidence, ' ', resolution)
            FROM exception
        UNION ALL SELECT concat('event ', position), data::text FROM event
        UNION ALL SELECT concat('intent ', key), concat(error, ' ', receipt, ' ', context) FROM intent
        UNION ALL SELECT concat('attempt ', id), concat(code, ' ', detail) FROM attempt
        UNION ALL SELECT concat('work ', kind, ' ', key), last_error FROM work
        UNION ALL SELECT concat('flow step ', step), detail::text FROM flow_step
        UNION ALL SELECT concat('connection ', name), concat(config, ' ', state_detail) FROM connection
        UNION ALL SELECT concat('workspace version ', version), document::text FROM workspace_version
    )
    SELECT key, 'a secret or masked value stands in it' AS seen FROM sink
    WHERE EXISTS (SELECT 1 FROM unnest(CAST(:secrets AS text[])) AS s(value) WHERE strpos(said, s.value) > 0)
"""

_TERMINAL = f"""
    SELECT coalesce(number, concat('D-', draft_number)) AS key, concat('it is ', state, CASE
        WHEN state = 'void' THEN ', though it was released' ELSE ' without what leads there' END) AS seen
    FROM invoice
    WHERE (state = 'void' AND (number IS NOT NULL OR posted_at IS NOT NULL))
       OR (state IN ('released', 'posted', 'part_paid', 'paid', 'credited') AND number IS NULL)
       OR (state IN ('draft', 'approved') AND number IS NOT NULL)
       OR (state = 'posted' AND posted_at IS NULL)
    UNION ALL
    SELECT DISTINCT a.key, concat(b.action, 'd after it was ended')
    FROM audit a JOIN audit b ON b.type = a.type AND b.key = a.key AND b.id > a.id
    WHERE a.action IN ('void', 'reject') AND a.type IN ('invoice', 'credit_note') AND b.action IN ('approve', 'release')
    UNION ALL
    SELECT concat(kind, ' ', key), concat('it is ', state, CASE WHEN closed_at IS NULL THEN ' and never was closed'
                                                                ELSE ', though it was closed' END)
    FROM exception WHERE ({_OPEN}) <> (closed_at IS NULL)
    UNION ALL
    SELECT key, concat(operation, ' is ', state, ' and done at ', coalesce(done_at::text, 'no time'))
    FROM intent WHERE (state = 'done') <> (done_at IS NOT NULL)
    UNION ALL
    SELECT r.id::text, 'the run is done and some of it is not'
    FROM billing_run r WHERE (r.state = 'done') <> (r.finished_at IS NOT NULL) OR (r.state = 'done' AND EXISTS (
        SELECT 1 FROM billing_run_part p WHERE p.run = r.id AND p.outcome IS NULL))
    UNION ALL
    SELECT b.subject, concat(b.type, ' came twice')
    FROM event b WHERE b.type IN ('tieout.invoice.released.v1', 'tieout.credit_note.released.v1',
                                  'tieout.invoice.posted.v1', 'tieout.contract.signed.v1')
    GROUP BY b.subject, b.type HAVING count(*) > 1
"""  # noqa: S608

_SAGAS = f"""
    WITH told AS (SELECT key, contract FROM exception WHERE kind = 'compensation-failed' AND {_OPEN})
    SELECT f.key, concat(f.kind, ' is ', f.state, ', half undone, and no exception says so') AS seen
    FROM flow f WHERE f.state IN ('compensating', 'failed')
      AND EXISTS (SELECT 1 FROM flow_step s WHERE s.flow_id = f.id AND s.state <> 'undone' AND s.detail ? 'intent')
      AND NOT EXISTS (SELECT 1 FROM told t WHERE t.contract = f.key OR t.key = f.key OR t.key = f.detail->>'project')
      AND NOT EXISTS (SELECT 1 FROM work w WHERE w.kind IN ('setup', 'post') AND w.key = f.key AND w.requested > w.done)
    UNION ALL
    SELECT f.key, concat(f.kind, ' is compensated, but its step ', s.step, ' stands')
    FROM flow f JOIN flow_step s ON s.flow_id = f.id
    WHERE f.state = 'compensated' AND s.state <> 'undone' AND s.detail ? 'intent'
    UNION ALL
    SELECT i.key, concat(i.operation, ' of ', i.connection, ' was refused, and no exception says so')
    FROM intent i WHERE i.compensates IS NOT NULL AND i.state = 'rejected'
      AND NOT EXISTS (SELECT 1 FROM told t WHERE t.key = i.key)
      AND NOT EXISTS (SELECT 1 FROM intent o WHERE o.compensates = i.compensates AND o.state = 'done')
      AND NOT EXISTS (SELECT 1 FROM exception e WHERE e.kind = 'compensation-failed' AND e.state = 'waived'
                      AND e.key = i.key)
"""  # noqa: S608

_BLOCKED = f"""
    SELECT f.key, concat(f.kind, ' waits for ', coalesce(f.waiting_for, 'something'), ', nothing will wake it') AS seen
    FROM flow f WHERE f.state IN ('waiting', 'running') AND f.updated_at < :bound
      AND NOT EXISTS (SELECT 1 FROM work w WHERE w.kind IN ('setup', 'post') AND w.key = f.key AND w.requested > w.done)
      AND NOT EXISTS (SELECT 1 FROM exception e WHERE e.{_OPEN}
                      AND (e.contract = f.key OR e.key = f.key OR e.key = f.detail->>'project'))
    UNION ALL
    SELECT name, concat('the connection is off since its credential failed: ', state_detail)
    FROM connection c WHERE c.enabled AND c.state_detail LIKE 'credential: %'
      AND NOT EXISTS (SELECT 1 FROM exception e WHERE e.kind = 'credential' AND e.key = c.name AND e.{_OPEN})
"""  # noqa: S608

_LEFT = """
    SELECT concat('inbox ', object, ' ', source_id) AS key, concat('new since ', recorded_at) AS seen
    FROM inbox WHERE state = 'new' AND recorded_at < :bound
    UNION ALL
    SELECT concat('hint ', connection, ' ', event_id), concat('new since ', recorded_at)
    FROM hint WHERE state = 'new' AND recorded_at < :bound
    UNION ALL
    SELECT concat('outbox ', key), concat(operation, ' of ', connection, ' is ', state, ', due since ', due_at)
    FROM intent WHERE state IN ('pending', 'unknown') AND due_at < :bound
    UNION ALL
    SELECT concat('work ', kind, ' ', key), concat('due since ', due_at, coalesce(': ' || last_error, ''))
    FROM work WHERE requested > done AND due_at < :bound
    UNION ALL
    SELECT concat('work ', kind, ' ', key), concat('handed out since ', updated_at, ' and not back')
    FROM work WHERE requested > done AND due_at IS NULL AND updated_at < :bound
    UNION ALL
    SELECT concat('billing run ', id), concat('running since ', started_at)
    FROM billing_run WHERE state = 'running' AND started_at < :bound
"""

_POISON = f"""
    SELECT concat('work ', kind, ' ', key) AS key, concat('failed ', attempts, ' times in a row: ', last_error) AS seen
    FROM work w WHERE attempts >= :most_failures AND requested > done AND NOT EXISTS (
        SELECT 1 FROM exception e WHERE e.kind = 'poison' AND e.key = concat(w.kind, ' ', w.key) AND e.{_OPEN})
    UNION ALL
    SELECT concat('inbox ', object, ' ', source_id), concat('begun ', attempts, ' times and never set aside')
    FROM inbox WHERE state = 'new' AND attempts > :most_begun
    UNION ALL
    SELECT concat('inbox ', b.object, ' ', b.source_id), concat('new since ', b.recorded_at, ' behind version ',
                                                                p.source_version, ' of ', p.source_id)
    FROM inbox p JOIN inbox b ON b.connection = p.connection AND b.object = p.object
    WHERE p.state = 'new' AND p.attempts >= :most_begun AND b.state = 'new' AND b.source_id <> p.source_id
      AND b.recorded_at < :bound
"""  # noqa: S608

_EXHAUSTED = f"""
    SELECT i.key, concat(i.operation, ' of ', i.connection, ' is ', i.state, ' after ', i.attempts,
                         ' passes and no exception shows it') AS seen
    FROM intent i WHERE ((i.state IN ('pending', 'unknown') AND i.attempts >= :most_attempts) OR i.state = 'rejected')
      AND NOT EXISTS (SELECT 1 FROM exception e WHERE e.key = i.key AND e.{_OPEN})
      AND NOT EXISTS (SELECT 1 FROM exception e WHERE e.state = 'waived' AND e.evidence->>'intent' = i.id::text)
      AND NOT EXISTS (SELECT 1 FROM intent o WHERE o.connection = i.connection AND o.operation = i.operation
                      AND o.key = i.key AND o.revision > i.revision)
      AND NOT EXISTS (SELECT 1 FROM flow f WHERE f.id = i.flow_id AND f.state = 'compensated')
      AND NOT EXISTS (SELECT 1 FROM intent o WHERE o.compensates = i.compensates AND o.state = 'done')
    UNION ALL
    SELECT concat(kind, ' ', key), 'it says not who owns it or why'
    FROM exception WHERE {_OPEN} AND (btrim(owner) = '' OR btrim(cause) = '')
"""  # noqa: S608

_FIXED_POINT = """
    WITH run AS (
        SELECT r.*, lag(digest) OVER one AS before, row_number() OVER (
            PARTITION BY "check", legal_entity, period ORDER BY recorded_at DESC, id DESC) AS place
        FROM tie_out_run r WINDOW one AS (PARTITION BY "check", legal_entity, period ORDER BY recorded_at, id)
    )
    SELECT concat("check", '/', legal_entity, '/', period) AS key, 'the same result was found twice as two' AS seen
    FROM run WHERE before = digest
    UNION ALL
    SELECT concat(r."check", '/', r.legal_entity, '/', r.period),
           concat(i.key, ' differs by ', i.difference, ', nothing explains it, and no exception shows it')
    FROM run r JOIN tie_out_item i ON i.run = r.id
    WHERE r.place = 1 AND i.outcome <> 'matched' AND i.cause IS NULL AND NOT EXISTS (
        SELECT 1 FROM exception e WHERE e.kind = 'unexplained-difference' AND e.key = i.key AND e.state <> 'resolved')
"""

CONTROL = {
    "I19": _APPROVALS, "I20": _CONTENT, "I21": _AUDITED, "I22": _ENTITIES, "I23": _SECRETS, "I24": _TERMINAL,
    "I25": _SAGAS, "I26": _BLOCKED, "I27": _LEFT, "I28": _POISON, "I29": _EXHAUSTED, "I30": _FIXED_POINT,
}  # fmt: skip
