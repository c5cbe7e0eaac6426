"""What a browser does about sessions, without one."""

import re

from tests.support.gateway import Gateway
from tests.support.wire import Response, ask, encode_request


class Browserless:
    """Signs in, and sends what a browser would.

    Args:
        gateway: where.
        key: an administrator's.
    """

    def __init__(self, gateway: Gateway, key: str) -> None:
        self._gateway = gateway
        self._key = key
        self.cookie = ""
        self.csrf = ""

    def sign_in(self) -> Response:
        headers = {"authorization": f"Bearer {self._key}"}
        response = self._gateway.post("/admin/session", {}, headers=headers)
        found = re.match(r"headrace_session=([^;]+)", response.headers.get("set-cookie", ""))
        if found:
            self.cookie = f"headrace_session={found[1]}"
            self.csrf = response.json()["csrf"]
        return response

    def get(self, path: str, **more: str) -> Response:
        return self._gateway.get(path, headers={"cookie": self.cookie, **_named(more)})

    def post(self, path: str, document: object, **more: str) -> Response:
        headers = {"cookie": self.cookie, "x-headrace-csrf": self.csrf, **_named(more)}
        return self._gateway.post(path, document, headers=headers)

    def delete(self, path: str, **more: str) -> Response:
        headers = {"cookie": self.cookie, "x-headrace-csrf": self.csrf, **_named(more)}
        request = encode_request(path, None, method="DELETE", headers=headers)
        return ask(self._gateway.url, request)


def _named(more: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in more.items()}
