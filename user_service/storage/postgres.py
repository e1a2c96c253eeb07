"""Postgres through asyncpg, such that no wait outlives its request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NewType

import asyncpg

from user_service.errors import Unavailable
from user_service.settings.database import PostgresConnection
from user_service.storage.breaker import Breaker

CONNECT_SECONDS = 1.0
COMMAND_SECONDS = 2.0
FOLLOW_SECONDS = 1.0

Connection = asyncpg.pool.PoolConnectionProxy
# A connection inside `transaction`: what must commit together takes this and nothing less.
Transaction = NewType("Transaction", Connection)

OUTAGES = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a statement after the server's last words, before the hang-up
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.UndefinedTableError,  # a migration is missing, or one came in the meantime
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.ReadOnlySQLTransactionError,
)


# A migration has changed a table under a prepared statement.
STALE = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
# Postgres has given this one up, so that others can go on: nothing is wrong with it, nor with us.
SACRIFICED = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


def rows_in(done: str) -> int:
    """How many rows a statement has changed, by what Postgres answers: `DELETE 3`, `INSERT 0 1`."""
    return int(done.rsplit(" ", 1)[-1])


class Database:
    """A pool whose connections are given up, not waited for, when something went wrong."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection
        self._pool: asyncpg.Pool[asyncpg.Record]
        self._followed_at = float("-inf")
        self.breaker = Breaker("postgres", self.ping)

    async def open(self) -> None:
        """Make the pool; its connections are made when they are needed."""
        self._pool = await asyncpg.create_pool(
            **self._connection.connect_options(),
            min_size=0,
            max_size=self._connection.pool_size,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            # No statement changes a connection's state, and a reset is a round trip of its own.
            reset=_keep_state,
        )

    async def close(self) -> None:
        await self.breaker.close()
        self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for single statements; raises Unavailable."""
        self.breaker.require_closed()
        connection = await self._acquire()
        try:
            yield connection
        except STALE as error:
            await self._give_up(connection)
            await self._pool.expire_connections()  # each has prepared for the schema as it was
            raise Unavailable("postgres") from error
        except OUTAGES as error:
            await self._give_up(connection)
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                await self._follow_primary()
                raise Unavailable("postgres") from error  # it still answers whoever reads
            raise self.breaker.failed(error) from error
        except SACRIFICED as error:
            await self._pool.release(connection)
            raise Unavailable("postgres") from error
        except asyncio.CancelledError:
            # A deadline: the statement may still run, and a release would wait for its end.
            await self._give_up(connection)
            raise
        except BaseException:
            await self._pool.release(connection)
            raise
        await self._pool.release(connection)
        self.breaker.succeeded()

    async def _acquire(self) -> Connection:
        try:
            return await self._pool.acquire(timeout=CONNECT_SECONDS)
        except OUTAGES as error:
            # A crowd before a pool at work is no outage: who has a connection will tell of one.
            if isinstance(error, TimeoutError) and self._is_whole():
                raise Unavailable("postgres") from error
            raise self.breaker.failed(error) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A connection inside a transaction, committed when the block ends without an error."""
        async with self.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield Transaction(connection)
            except (asyncio.CancelledError, *OUTAGES, *STALE):
                raise  # `connection` hangs up, and Postgres rolls back
            except BaseException:
                await transaction.rollback()
                raise
            await transaction.commit()

    def _is_whole(self) -> bool:
        return self._pool.get_size() == self._pool.get_max_size()

    async def _follow_primary(self) -> None:
        """Connect anew, but not for every write that a server refuses which stays read-only."""
        now = time.monotonic()
        if now - self._followed_at > FOLLOW_SECONDS:
            self._followed_at = now
            await self._pool.expire_connections()

    async def _give_up(self, connection: Connection) -> None:
        with suppress(asyncpg.InterfaceError):  # lost, so the pool has it back already
            connection.terminate()
        await self._pool.release(connection)

    async def ping(self) -> None:
        """Ask on a connection of its own; raises what went wrong."""
        connection = await asyncpg.connect(
            **self._connection.connect_options(), timeout=CONNECT_SECONDS
        )
        try:
            await connection.execute("SELECT 1", timeout=CONNECT_SECONDS)
        finally:
            connection.terminate()


async def _keep_state(_connection: object) -> None:
    return None
