"""What callers say when they ask for a page."""

import pytest

from headrace.batches.wishes import PAGE_MAX, read_page
from headrace.errors import InvalidRequest


@pytest.mark.parametrize(
    "limit", ["0", "101", "", "-1", "1e2", "0000000019999", "000000001" + "1" * 5000, "٣"]
)
def test_no_page_is_longer_than_it_may_be(limit: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_page({"limit": limit})
    assert refused.value.param == "limit"


@pytest.mark.parametrize("limit", [1, 7, PAGE_MAX])
def test_any_other_is(limit: int) -> None:
    assert read_page({"limit": str(limit)}).limit == limit
