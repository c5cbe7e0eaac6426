"""Where `headrace keys` finds keys: in the store itself, or in a gateway that runs."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode

from headrace.cli.admin_call import NotTold, ask_console
from headrace.errors import HeadraceError

Result = TypeVar("Result")
Told = dict[str, Any]


class KeyAccess(Protocol):
    """What can be done with keys. Each raises `NotTold` where it is not done."""

    def create(self, wish: Mapping[str, Any]) -> Told:
        """Make a key; what is told holds it as `key`."""
        ...

    def show(self, key: str) -> Told:
        """One key, by id or name."""
        ...

    def page(self, after: str | None, limit: int, tenant: str | None) -> Told:
        """Some keys, as a list."""
        ...

    def revoke(self, key: str) -> Told:
        """Take a key away."""
        ...

    def rotate(self, key: str, grace_s: float) -> Told:
        """Put another key in the place of one."""
        ...


class GatewayKeys:
    """Keys by way of a gateway.

    Args:
        url: where it listens.
        admin_key: of an administrator.
    """

    def __init__(self, url: str, admin_key: str | None) -> None:
        self._url = url
        self._admin_key = admin_key

    def create(self, wish: Mapping[str, Any]) -> Told:
        return self._ask("/admin/keys", "POST", wish)

    def show(self, key: str) -> Told:
        return self._ask(_path(key))

    def page(self, after: str | None, limit: int, tenant: str | None) -> Told:
        asked = {"limit": limit, "after": after, "tenant": tenant}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        return self._ask(f"/admin/keys?{query}")

    def revoke(self, key: str) -> Told:
        return self._ask(_path(key), "DELETE")

    def rotate(self, key: str, grace_s: float) -> Told:
        return self._ask(_path(key) + "/rotate", "POST", {"grace_s": grace_s})

    def _ask(
        self, path: str, method: str = "GET", document: Mapping[str, Any] | None = None
    ) -> Told:
        told: Told = ask_console(self._url, path, self._admin_key, method, document)
        return told


class StoredKeys:
    """Keys straight in the store; gateways that use it see what was done within a second.

    Args:
        url: of the store.
        folder: where data is kept.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder

    def create(self, wish: Mapping[str, Any]) -> Told:
        from headrace.identity.key_records import read_wish

        made = self._use(lambda keys: keys.create(read_wish(wish)))
        return {**_told(made.record), "key": made.key}

    def show(self, key: str) -> Told:
        return _told(self._use(lambda keys: keys.find(key)))

    def page(self, after: str | None, limit: int, tenant: str | None) -> Told:
        page = self._use(
            lambda keys: keys.page(limit=limit, after=after, is_up=True, tenant=tenant)
        )
        items = [_told(each) for each in page.records]
        last = items[-1]["id"] if items else None
        return {"data": items, "last_id": last, "has_more": page.has_more}

    def alter(self, key: str, wish: Mapping[str, Any]) -> Told:
        from headrace.identity.key_records import read_wish

        return _told(self._use(lambda keys: keys.alter(key, read_wish(wish))))

    def revoke(self, key: str) -> Told:
        return _told(self._use(lambda keys: keys.revoke(key)))

    def rotate(self, key: str, grace_s: float) -> Told:
        made = self._use(lambda keys: keys.rotate(key, grace_s))
        return {**_told(made.record), "key": made.key}

    def _use(self, work: Callable[[Any], Awaitable[Result]]) -> Result:
        import asyncio

        from headrace.clock import SystemClock
        from headrace.identity.key_store import KeyStore
        from headrace.ids import Ids
        from headrace.store.records.open import open_records

        async def use() -> Result:
            clock = SystemClock()
            records = open_records(self._url, self._folder, clock=clock)
            try:
                return await work(KeyStore(records, clock, Ids(clock.wall_s).new))
            finally:
                await records.close()

        try:
            return asyncio.run(use())
        except HeadraceError as error:
            raise NotTold(error.message) from None


def _told(record: Any) -> Told:
    from headrace.clock import SystemClock

    told: Told = record.told(SystemClock().wall_s())
    return told


def _path(key: str) -> str:
    return "/admin/keys/" + quote(key, safe="")
