"""SQL of genealogy: walks along the edges, each in one query.

Lots may be reached on many ways; each level of a walk keeps a lot once, so that a walk grows with the lots that there
are and not with the ways to them. It ends because genealogy has no cycles (migration 0008, `lot_moves`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text

from kojo_mes.kit.database import ReadSession

WALK = """
    WITH RECURSIVE walk (lot_id, depth) AS (
        SELECT id, 0 FROM mes.lot WHERE id = :lot
        UNION
        SELECT edge.{there}, walk.depth + 1
        FROM walk JOIN mes.material_movement AS edge ON edge.kind = 'consumed' AND edge.{here} = walk.lot_id
    ), reached AS MATERIALIZED (
        SELECT lot_id, min(depth) AS depth FROM walk GROUP BY lot_id
    )
    SELECT lot.id, lot.kind, lot.product_id, lot.state, reached.depth, edges.edges
    FROM reached JOIN mes.lot ON lot.id = reached.lot_id
    LEFT JOIN LATERAL (
        SELECT json_agg(json_build_array(edge.{there}, edge.quantity, edge.unit, edge.first_at, edge.last_at)) AS edges
        FROM (
            SELECT {there}, sum(quantity)::text AS quantity, min(unit) AS unit, min(time) AS first_at,
                   max(time) AS last_at
            FROM mes.material_movement WHERE kind = 'consumed' AND {here} = lot.id GROUP BY {there}
        ) AS edge
    ) AS edges ON true
    ORDER BY reached.depth, lot.id
"""
FORWARD = text(WALK.format(here="lot_id", there="into_lot_id"))
BACKWARD = text(WALK.format(here="into_lot_id", there="lot_id"))

# The path is carried along: of all ways to a lot on one level, the first by name; of all levels, the nearest. It leaves
# the database as the document that is answered: to read its thousands of rows and decimals would take longer than the
# walk takes.
RECALL = text("""
    WITH RECURSIVE walk (lot_id, depth, path) AS (
        SELECT id::text, 0, '' FROM mes.lot WHERE id = :lot
        UNION ALL
        SELECT step.lot_id, step.depth + 1,
               step.path || CASE step.depth WHEN 0 THEN '' ELSE ',' END
               || json_build_object('lot', step.source, 'quantity', trim_scale(step.quantity)::text, 'unit', step.unit)
        FROM (
            SELECT DISTINCT ON (edge.lot_id) edge.lot_id, walk.lot_id AS source, walk.depth, walk.path, edge.quantity,
                   edge.unit
            FROM walk CROSS JOIN LATERAL (
                SELECT into_lot_id::text AS lot_id, sum(quantity) AS quantity, min(unit) AS unit
                FROM mes.material_movement WHERE kind = 'consumed' AND lot_id = walk.lot_id
                GROUP BY into_lot_id
            ) AS edge
            ORDER BY edge.lot_id, walk.lot_id
        ) AS step
    ), reached AS (
        SELECT DISTINCT ON (lot_id) lot_id, depth, path FROM walk ORDER BY lot_id, depth
    )
    SELECT json_build_object('lot', CAST(:lot AS text), 'affected', coalesce(json_agg(json_build_object(
        'lot', lot.id, 'kind', lot.kind, 'product', lot.product_id, 'state', lot.state, 'unit', lot.unit,
        'in_stock', trim_scale(lot.on_hand)::text, 'shipped', trim_scale(lot.shipped)::text,
        'depth', reached.depth, 'path', CAST('[' || reached.path || ']' AS json),
        'deliveries', CASE WHEN lot.shipped > 0 THEN (
            SELECT json_agg(json_build_object('consignee', consignee, 'delivery', delivery,
                                              'quantity', trim_scale(quantity)::text, 'time',
                                              to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
                            ORDER BY sent.id)
            FROM mes.material_movement AS sent WHERE sent.lot_id = lot.id AND sent.kind = 'shipped'
        ) ELSE '[]' END
    ) ORDER BY reached.depth, lot.id), '[]'))::text AS document, (SELECT count(*) FROM reached) > 0 AS known
    FROM reached JOIN mes.lot ON lot.id = reached.lot_id
    WHERE lot.on_hand > 0 OR lot.shipped > 0 OR lot.state IN ('created', 'in_process', 'on_hold')
""")


async def forward(session: ReadSession, lot: str) -> Sequence[Row[tuple[Any, ...]]]:
    """All lots that the lot went into, itself included, each with its edges away from it."""
    return (await session.execute(FORWARD, {"lot": lot})).all()


async def backward(session: ReadSession, lot: str) -> Sequence[Row[tuple[Any, ...]]]:
    """All lots that went into the lot, itself included, each with its edges to it."""
    return (await session.execute(BACKWARD, {"lot": lot})).all()


async def recall(session: ReadSession, lot: str) -> str | None:
    """All that is in process, in stock or was shipped of the lot and of whatever it went into: schemas.Recall in JSON.
    None when there is no such lot."""
    row = (await session.execute(RECALL, {"lot": lot})).one()
    return str(row.document) if row.known else None
