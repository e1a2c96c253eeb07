"""The table `outbox`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from shared import events
from user_service.storage.postgres import Connection, Transaction, rows_in

RELAY_LOCK = 0x72656C6179
# An operator who looks through all that is kept may wait; the limit of others is for requests.
OPERATOR_SECONDS = 60.0
# As `without_personal_fields` in Postgres has them, and the topics whose events have any.
PERSONAL_FIELDS = {"email", "name", "username", "address", "facts"}
PERSONAL_TOPICS = [
    topic.name
    for kind, topic in events.TOPICS.items()
    if PERSONAL_FIELDS & set(kind.__struct_fields__)
]


class StoredEvent(Struct, frozen=True):
    id: int
    event_id: UUID
    topic: str
    key: str
    payload: str
    created_at: datetime
    decoy: bool


class Waiting(NamedTuple):
    """Whether anything waits for the relay, and when the oldest that is no decoy was put."""

    anything: bool
    since: datetime | None


COLUMNS = ", ".join(StoredEvent.__struct_fields__)


async def put(tx: Transaction, key: UUID, *produced: Struct, decoy: bool = False) -> None:
    """Record events in the caller's transaction; the account's id orders them within a topic.

    A decoy is written like an event and never produced.
    """
    await tx.execute(
        """
        INSERT INTO outbox (topic, key, payload, decoy)
        SELECT topic, $1, payload, $4
        FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS event (topic, payload, position)
        ORDER BY position
        """,
        str(key),
        [events.TOPICS[type(event)].name for event in produced],
        [events.encode(event).decode() for event in produced],
        decoy,
    )


async def put_each(tx: Transaction, produced: Sequence[tuple[UUID, Struct]]) -> None:
    """Record events of many accounts, one for each."""
    await tx.execute(
        """
        INSERT INTO outbox (topic, key, payload)
        SELECT topic, key, payload
        FROM unnest($1::text[], $2::text[], $3::text[]) AS event (topic, key, payload)
        """,
        [events.TOPICS[type(event)].name for _, event in produced],
        [str(key) for key, _ in produced],
        [events.encode(event).decode() for _, event in produced],
    )


async def count_lately(tx: Transaction, key: UUID, kind: type[Struct], within: timedelta) -> int:
    """How many events of a kind were put for an account lately."""
    count: int = await tx.fetchval(
        """
        SELECT count(*) FROM outbox
        WHERE key = $1 AND topic = $2 AND created_at > now() - $3::interval
        """,
        str(key),
        events.TOPICS[kind].name,
        within,
    )
    return count


async def erase(tx: Transaction, key: UUID, *, sparing: int = 0, most: int | None = None) -> int:
    """Forget who a person was: at once in what is produced already, afterwards in the rest.

    In all events that say so but the newest `sparing`, up to `most`; returns how many.
    """
    done = await tx.execute(
        """
        UPDATE outbox SET
            erase = true,
            payload = CASE WHEN acknowledged_at IS NULL THEN payload
                           ELSE without_personal_fields(payload) END
        WHERE id IN (
            SELECT id FROM outbox WHERE key = $1 AND topic = ANY($4) AND NOT erase
            ORDER BY id DESC OFFSET $2 LIMIT $3
        )
        """,
        str(key),
        sparing,
        most,
        PERSONAL_TOPICS,
    )
    return rows_in(done)


async def claim(tx: Transaction) -> bool:
    """Whether this transaction may relay: two at a time would mix up an account's events.

    Raises ReadOnlySQLTransactionError where nothing could be acknowledged.
    """
    # The update changes nothing. A server that takes no writes refuses it before anything is
    # produced, or all that waits would be produced again with every attempt to acknowledge it.
    claimed: bool = await tx.fetchval(
        """
        WITH writable AS (UPDATE outbox SET acknowledged_at = NULL WHERE false RETURNING id)
        SELECT pg_try_advisory_xact_lock($1) FROM (
            -- Of a host that vanishes Postgres hears nothing: it is to ask, and free the lock.
            SELECT set_config('tcp_keepalives_idle', '10', true),
                set_config('tcp_keepalives_interval', '5', true),
                set_config('tcp_keepalives_count', '3', true)
            OFFSET 0
        ) AS watched
        """,
        RELAY_LOCK,
    )
    return claimed


async def waiting(connection: Connection) -> Waiting:
    """The one question that an idle relay asks."""
    row = await connection.fetchrow(
        """
        SELECT EXISTS (SELECT FROM outbox WHERE acknowledged_at IS NULL), (
            SELECT created_at FROM outbox WHERE acknowledged_at IS NULL AND NOT decoy
            ORDER BY id LIMIT 1
        )
        """
    )
    return Waiting(*row) if row else Waiting(False, None)


async def pending(
    tx: Transaction, most: int, *, apart_from: Sequence[str] = ()
) -> list[StoredEvent]:
    """The oldest events that no broker has acknowledged, apart from those of some topics.

    Ids rise in the order of commits within one account, because each of its events is put under
    the lock of its row; and within one statement, which numbers its rows after sorting them.
    """
    rows = await tx.fetch(
        f"""
        SELECT {COLUMNS} FROM outbox
        WHERE acknowledged_at IS NULL AND topic <> ALL($2) ORDER BY id LIMIT $1
        """,
        most,
        apart_from,
    )
    return [StoredEvent(*row) for row in rows]


async def acknowledge(tx: Transaction, ids: list[int]) -> None:
    await tx.execute(
        """
        UPDATE outbox SET
            acknowledged_at = now(),
            payload = CASE WHEN erase THEN without_personal_fields(payload) ELSE payload END
        WHERE id = ANY($1)
        """,
        ids,
    )


async def sweep(connection: Connection, most: int) -> int:
    """Delete up to `most` events acknowledged more than 7 days ago, and return how many."""
    done = await connection.execute(
        """
        DELETE FROM outbox WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM outbox WHERE acknowledged_at < now() - interval '7 days'
            ORDER BY acknowledged_at LIMIT $1
        ))
        """,
        most,
    )
    return rows_in(done)


class Selection(Struct, frozen=True):
    """Events by topic, account and time of creation; what is None does not matter."""

    topics: list[str]
    key: str | None
    since: datetime | None
    until: datetime | None


class Kept(Struct, frozen=True):
    """How many events are there; `last` is the highest id among those already produced."""

    produced: int
    pending: int
    last: int


SELECTED = """
    NOT decoy AND topic = ANY($1) AND ($2::text IS NULL OR key = $2)
    AND ($3::timestamptz IS NULL OR created_at >= $3)
    AND ($4::timestamptz IS NULL OR created_at < $4)
"""


async def kept(connection: Connection, chosen: Selection) -> Kept:
    row = await connection.fetchrow(
        f"""
        SELECT count(acknowledged_at), count(*) - count(acknowledged_at),
            coalesce(max(id) FILTER (WHERE acknowledged_at IS NOT NULL), 0)
        FROM outbox WHERE {SELECTED}
        """,
        *_values(chosen),
        timeout=OPERATOR_SECONDS,
    )
    return Kept(*row) if row else Kept(0, 0, 0)


async def produced(
    connection: Connection, chosen: Selection, *, after: int, last: int, most: int
) -> list[StoredEvent]:
    """Events that the brokers have had, in the order in which they had them."""
    rows = await connection.fetch(
        f"""
        SELECT {COLUMNS} FROM outbox
        WHERE {SELECTED} AND acknowledged_at IS NOT NULL AND id > $5 AND id <= $6
        ORDER BY id LIMIT $7
        """,
        *_values(chosen),
        after,
        last,
        most,
        timeout=OPERATOR_SECONDS,
    )
    return [StoredEvent(*row) for row in rows]


def _values(chosen: Selection) -> tuple[object, ...]:
    return chosen.topics, chosen.key, chosen.since, chosen.until
