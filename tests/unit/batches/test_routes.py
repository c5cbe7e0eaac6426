"""Every route of files and batches leads here, and is told in the documents."""

from pathlib import Path
from typing import Any, cast

from starlette.routing import Route

from headrace.batches.routes import batch_routes, file_routes
from headrace.server import places

HTTP = Path(__file__).resolve().parents[3] / "docs" / "http.md"


def test_routes_lead_here_and_are_told_with_their_methods() -> None:
    told: dict[str, set[str]] = {}
    nobody = cast("Any", None)
    for route in (*file_routes(nobody), *batch_routes(nobody)):
        assert isinstance(route, Route)
        methods = (route.methods or set()) - ({"HEAD"} if route.path.startswith("/v1") else set())
        told.setdefault(route.path, set()).update(methods)
    rows = HTTP.read_text("utf-8").splitlines()
    for path, methods in told.items():
        place = places.find_place(path.replace("{id}", "x"))
        assert place.route in (places.Route.API, places.Route.ADMIN)
        assert methods <= {method.decode() for method in place.methods}
        (row,) = [line for line in rows if line.startswith(f"| `{path}` |")]
        assert {each.strip(" `") for each in row.split("|")[2].split(",")} == methods
