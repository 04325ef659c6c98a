"""I9 to I18: facts come in once and in order, commands go out once and with proof."""

from __future__ import annotations

from tieout.store.tables import CANONICAL

_LIVE_TARGETS = """
    SELECT concat(connection, ' ', external_key) AS key,
           concat('two done commands name ', string_agg(DISTINCT target_id, ' and ')) AS seen
    FROM intent WHERE state = 'done' AND compensates IS NULL AND operation LIKE 'upsert!_%' ESCAPE '!'
    GROUP BY connection, operation, external_key HAVING count(DISTINCT target_id) > 1
"""

_RECORDS = " UNION ALL ".join(
    [f"SELECT '{name}' AS type, key FROM {name} WHERE superseded_at IS NULL" for name in CANONICAL]  # noqa: S608
    + ["SELECT kind, number FROM invoice WHERE number IS NOT NULL"]
)
_CROSSWALK = f"""
    WITH record AS ({_RECORDS})
    SELECT concat(connection, ' ', object, ' ', key) AS key,
           concat('stands for ', string_agg(source_id, ' and ' ORDER BY source_id)) AS seen
    FROM crosswalk WHERE retired_at IS NULL GROUP BY connection, object, key HAVING count(*) > 1
    UNION ALL
    SELECT concat(c.connection, ' ', c.object, ' ', c.source_id), concat('leads to no ', c.type, ' ', c.key)
    FROM crosswalk c WHERE NOT EXISTS (SELECT 1 FROM record r WHERE r.type = c.type AND r.key = c.key)
      AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.connection = c.connection AND i.object = c.object
                      AND i.source_id = c.source_id AND i.state IN ('new', 'held', 'refused'))
    UNION ALL
    SELECT i.key, concat(i.operation, ' of ', i.connection, ' made ', i.target_id, ', which the crosswalk does not know')
    FROM intent i LEFT JOIN flow f ON f.id = i.flow_id
    WHERE i.state = 'done' AND i.compensates IS NULL AND i.target_id IS NOT NULL
      AND i.operation LIKE 'upsert!_%' ESCAPE '!' AND coalesce(f.state, 'done') NOT IN ('running', 'waiting', 'compensating')
      AND NOT EXISTS (SELECT 1 FROM crosswalk c WHERE c.connection = i.connection AND c.source_id = i.target_id)
"""  # noqa: S608

_MERGES = """
    SELECT concat(connection, ' ', object, ' ', key) AS key,
           concat(string_agg(source_id, ' and ' ORDER BY source_id), ' are one record, and no one said why') AS seen
    FROM crosswalk GROUP BY connection, object, key
    HAVING count(*) FILTER (WHERE retired_at IS NULL) > 1
        OR (count(*) > 1 AND count(*) FILTER (WHERE retired_at IS NOT NULL AND coalesce(retired_reason, '') = '') > 0)
""" + "".join(  # noqa: S608
    f"    UNION ALL SELECT min(key), concat('{name} ', max(key), ' has the same id') FROM {name}"  # noqa: S608
    " GROUP BY id HAVING count(DISTINCT key) > 1\n"
    for name in CANONICAL
)

_VERSIONS = """
    SELECT concat(object, ' ', source_id) AS key,
           concat('version ', source_version, ' was applied after a later one') AS seen
    FROM (
        SELECT object, source_id, source_version, applied_at, min(applied_at) OVER (
            PARTITION BY connection, object, source_id ORDER BY source_version COLLATE "C" DESC, id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS later_applied_at
        FROM inbox WHERE state = 'applied'
    ) AS applied WHERE later_applied_at < applied_at
""" + "".join(  # noqa: S608
    f"""    UNION ALL SELECT key, concat('{name}: ', count(*), ' versions, numbered up to ', max(version), ', ',
        count(*) FILTER (WHERE superseded_at IS NULL), ' of them current')
    FROM {name} GROUP BY key HAVING count(*) <> max(version) OR count(*) FILTER (WHERE superseded_at IS NULL) <> 1
        OR max(version) <> max(version) FILTER (WHERE superseded_at IS NULL)
"""  # noqa: S608
    for name in CANONICAL
)

_TOMBSTONES = """
    SELECT concat(i.object, ' ', i.source_id) AS key,
           concat('version ', i.source_version, ' was applied after the deletion ', t.source_version) AS seen
    FROM inbox t JOIN inbox i ON i.connection = t.connection AND i.object = t.object AND i.source_id = t.source_id
    WHERE t.tombstone AND t.state = 'applied' AND i.state = 'applied' AND NOT i.tombstone
      AND i.source_version COLLATE "C" <= t.source_version COLLATE "C" AND i.applied_at > t.applied_at
    UNION ALL
    SELECT e.key, concat('it is ', e.state, ', though its source deleted it')
    FROM (
        SELECT DISTINCT ON (connection, object, source_id) connection, object, source_id, tombstone
        FROM inbox WHERE state = 'applied'
        ORDER BY connection, object, source_id, source_version COLLATE "C" DESC, tombstone DESC
    ) AS last
    JOIN crosswalk c ON c.connection = last.connection AND c.object = last.object AND c.source_id = last.source_id
    JOIN (SELECT 'time_entry' AS type, key, state FROM time_entry WHERE superseded_at IS NULL
          UNION ALL SELECT 'expense', key, state FROM expense WHERE superseded_at IS NULL) AS e
        ON e.type = c.type AND e.key = c.key
    WHERE last.tombstone AND e.state <> 'withdrawn'
"""

_CURSORS = """
    SELECT concat(s.connection, '/', s.object) AS key,
           concat('the cursor stands at ', s.newest, ', the inbox at ', coalesce(i.newest, 'nothing')) AS seen
    FROM (SELECT connection, object, cursor::jsonb->>'newest' AS newest FROM source_cursor
          WHERE cursor LIKE '{%') AS s
    LEFT JOIN LATERAL (SELECT max(source_version COLLATE "C") AS newest FROM inbox
                       WHERE connection = s.connection AND object = s.object) AS i ON true
    WHERE s.newest IS NOT NULL AND (i.newest IS NULL OR i.newest < s.newest COLLATE "C")
"""

_SENT_AGAIN = """
    SELECT i.key, concat(i.operation, ' of ', i.connection, ' was sent again after it was done') AS seen
    FROM intent i JOIN attempt a ON a.intent = i.id AND a.action = 'send'
    WHERE i.state = 'done' AND a.recorded_at > i.done_at
      AND EXISTS (SELECT 1 FROM attempt b WHERE b.intent = i.id AND b.id < a.id AND b.action = 'send' AND b.outcome = 'ok')
    UNION ALL
    SELECT b.entry, concat(count(*), ' live events of version ', b.entry_version, ' at one price')
    FROM billing_event b JOIN billing_balance x ON x.event = b.id
    WHERE b.kind IN ('time', 'expense', 'subcontract') AND x.reversed_quantity = 0 AND b.quantity <> 0
      AND NOT EXISTS (SELECT 1 FROM billing_event r WHERE r.reverses = b.id)
    GROUP BY b.contract, b.kind, b.entry, b.entry_version, b.line, b.price, b.quantity HAVING count(*) > 1
"""

_BYTES = """
    SELECT key, concat(operation, ' of ', connection, ': the bytes are not those that were frozen') AS seen
    FROM intent WHERE sha256(body) <> digest
    UNION ALL
    SELECT concat(object, ' ', source_id), concat('version ', source_version, ': the raw bytes are not those that came')
    FROM inbox WHERE sha256(raw) <> digest
    UNION ALL
    SELECT i.key, concat(i.operation, ' of ', i.connection, ' was called before it was committed')
    FROM attempt a JOIN intent i ON i.id = a.intent WHERE a.recorded_at < i.recorded_at
"""

_BUDGETS = """
    SELECT name AS key, concat(calls, ' calls in the minute before ', at, ', allowed are ', budget_per_minute) AS seen
    FROM (
        SELECT c.name, c.budget_per_minute, a.recorded_at AS at, sum(a.calls) OVER (
            PARTITION BY a.connection ORDER BY a.recorded_at
            RANGE BETWEEN INTERVAL '59.999999 seconds' PRECEDING AND CURRENT ROW) AS calls
        FROM attempt a JOIN connection c ON c.name = a.connection
    ) AS counted WHERE calls > budget_per_minute
    UNION ALL
    SELECT i.key, concat(i.operation, ' of ', i.connection, ': ', count(*), ' calls in ', i.attempts, ' passes')
    FROM intent i JOIN attempt a ON a.intent = i.id WHERE a.action IN ('send', 'look_up')
    GROUP BY i.id HAVING count(*) > 2 * i.attempts + 1
"""

_EVIDENCE = """
    SELECT i.key, concat(i.operation, ' of ', i.connection, ' is ', i.state, ' and nothing proves it') AS seen
    FROM intent i LEFT JOIN LATERAL (
        SELECT bool_or(outcome IN ('ok', 'found')) AS held, bool_or(outcome = 'rejected') AS refused,
               max(id) FILTER (WHERE action = 'send' AND outcome IN ('started', 'unknown', 'drift')) AS uncertain,
               max(id) FILTER (WHERE outcome = 'absent') AS absent
        FROM attempt WHERE intent = i.id
    ) AS a ON true
    WHERE (i.state = 'done' AND (i.target_id IS NULL OR i.done_at IS NULL OR NOT coalesce(a.held, false)))
       OR (i.state = 'rejected' AND i.error IS NULL)
       OR (i.state = 'rejected' AND NOT coalesce(a.refused OR a.held, false))
       OR (i.state = 'cancelled' AND a.uncertain IS NOT NULL AND a.uncertain > coalesce(a.absent, 0))
"""

DELIVERY = {
    "I9": _LIVE_TARGETS, "I10": _CROSSWALK, "I11": _MERGES, "I12": _VERSIONS, "I13": _TOMBSTONES, "I14": _CURSORS,
    "I15": _SENT_AGAIN, "I16": _BYTES, "I17": _BUDGETS, "I18": _EVIDENCE,
}  # fmt: skip
