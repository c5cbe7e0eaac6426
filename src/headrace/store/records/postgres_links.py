"""Connections to PostgreSQL, as records want them, whichever server is at the other end."""

from typing import Any, Final, cast

from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool

from headrace.store.records.bounds import RecordBounds
from headrace.store.records.records import Row

RowConnection = AsyncConnection[Row]
RowPool = AsyncConnectionPool[RowConnection]

# A connection whose other end is gone without a word is found out in about this many seconds.
_SILENCE_S: Final = 10
_IDLE_S_MAX: Final = 300.0


class PostgresLinks:
    """One server, or several that one URL names. Making it opens nothing.

    Args:
        url: `postgresql://...`; what its query says of the connection goes before what we say.
        bounds: how long, how many.
        limit_s: how long a statement may take.

    Attributes:
        name: what it is called in messages; holds no password.

    Raises:
        psycopg.ProgrammingError: the URL cannot be read.
    """

    def __init__(self, url: str, bounds: RecordBounds, limit_s: float) -> None:
        given = conninfo_to_dict(url)
        host = given.get("host") or "localhost"
        self.name = f"{host}:{given.get('port') or 5432}/{given.get('dbname') or ''}"
        self._url = url
        self._bounds = bounds
        self._limit_s = limit_s
        options = {
            "connect_timeout": max(2, round(bounds.connect_limit_s)),
            "application_name": "headrace",
            "keepalives_idle": _SILENCE_S // 2,
            "keepalives_interval": 1,
            "keepalives_count": _SILENCE_S // 2,
            "tcp_user_timeout": _SILENCE_S * 1000,
        }
        self._options = {key: value for key, value in options.items() if key not in given}

    async def connect(self) -> AsyncConnection[Any]:
        """A connection by itself, without limits of its statements."""
        return await AsyncConnection.connect(
            self._url, autocommit=True, **cast("Any", self._options)
        )

    def pool(self) -> RowPool:
        """Connections for statements of requests; not open yet."""
        return AsyncConnectionPool(
            self._url,
            connection_class=cast("type[RowConnection]", AsyncConnection),
            kwargs={
                **self._options,
                "autocommit": True,
                "row_factory": dict_row,
                "prepare_threshold": 0,
            },
            min_size=1,
            max_size=self._bounds.pool_size,
            max_waiting=self._bounds.waiting_max,
            timeout=self._limit_s,
            max_idle=_IDLE_S_MAX,
            reconnect_timeout=_SILENCE_S,
            configure=self._prepare,
            name=f"headrace {self.name}",
            open=False,
        )

    async def _prepare(self, connection: RowConnection) -> None:
        timeout = f"{max(1, round(self._limit_s * 1000))}ms"
        await connection.execute(
            "SELECT set_config('statement_timeout', %(t)s, false),"
            " set_config('lock_timeout', %(t)s, false),"
            # A process that is frozen in a transaction must not hold up all the others.
            " set_config('idle_in_transaction_session_timeout', %(t)s, false)",
            {"t": timeout},
        )
        set_json_loads(_text, connection)


def _text(data: str | bytes) -> str:
    """JSON is handed on as text, as SQLite does."""
    return data if isinstance(data, str) else bytes(data).decode()
