"""Records become rows and sums; what is no row is left out, and what no database takes mended."""

import msgspec
import pytest

from headrace.store.ledger.batch import Batch, BatchMaker
from headrace.store.ledger.rollup import COUNTS
from headrace.store.ledger.row import CallRow, ContentRow, Row
from headrace.store.records.queries import DIALECTS, load_queries

NOVEMBER_S = 1_795_286_729.5  # 2026-11-21
DECEMBER_S = NOVEMBER_S + 10 * 86_400


def call(number: int = 1, **changes: object) -> CallRow:
    row = CallRow(
        id=f"call-{number}",
        at_s=NOVEMBER_S,
        tenant="app",
        key_name="key-1",
        operation="chat",
        asked="fast",
        model="gpt-4o-mini",
        provider="openai",
        cache="miss",
        status=200,
        attempts=1,
        duration_us=1000,
        upstream_us=900,
        input_tokens=10,
        output_tokens=20,
        cost_nano=500,
    )
    return msgspec.structs.replace(row, **changes)


def records(*rows: Row) -> list[bytes]:
    return list(map(msgspec.msgpack.encode, rows))


def read_batch(found: list[bytes]) -> Batch:
    maker = BatchMaker()
    for record in found:
        maker.add([record])
    return maker.batch()


def test_calls_become_rows_of_the_table() -> None:
    batch = read_batch(records(call(1), call(2, cost_nano=None)))
    first, second = batch.named_calls()
    assert (first["id"], second["id"]) == ("call-1", "call-2")
    assert tuple(first) == CallRow.__struct_fields__
    assert tuple(first.values()) == batch.calls[0]
    assert first["key_name"] == "key-1"
    assert second["cost_nano"] is None


def test_calls_stand_in_the_order_of_the_table() -> None:
    for dialect in DIALECTS:
        copy = load_queries(dialect)["ledger.add_calls"].copy
        assert copy is not None
        assert copy.columns == CallRow.__struct_fields__


def test_calls_are_summed_by_day_and_month() -> None:
    rows = (call(1), call(2), call(3, at_s=DECEMBER_S), call(4, cache="l1", cost_nano=0))
    batch = read_batch(records(*rows))
    assert [(day["day"], day["cache"], day["calls"]) for day in batch.days] == [
        ("2026-11-21", "l1", 1),
        ("2026-11-21", "miss", 2),
        ("2026-12-01", "miss", 1),
    ]
    assert [(month["month"], month["cache"], month["calls"]) for month in batch.months] == [
        ("2026-11", "l1", 1),
        ("2026-11", "miss", 2),
        ("2026-12", "miss", 1),
    ]
    for name in COUNTS:
        assert sum(day[name] for day in batch.days) == sum(each[name] for each in batch.months)
    assert sum(day["cost_nano"] for day in batch.days) == 1500


def test_what_went_wrong_is_counted() -> None:
    rows = (
        call(1, status=502, error="upstream_broken"),
        call(2, error="client_gone"),
        call(3, cost_nano=None),
        call(4, is_estimated=True),
    )
    (day,) = read_batch(records(*rows)).days
    assert (day["calls"], day["errors"], day["unpriced"], day["estimated"]) == (4, 2, 1, 1)


@pytest.mark.parametrize(("status", "cost_nano"), [(404, 0), (499, 0), (499, None), (502, None)])
def test_models_that_callers_make_up_have_no_sum_of_their_own(
    status: int, cost_nano: int | None
) -> None:
    rows = [
        call(n, status=status, model=f"made-up-{n}", cost_nano=cost_nano, provider="sim")
        for n in range(50)
    ]
    (day,) = read_batch(records(*rows)).days
    assert (day["model"], day["calls"]) == ("", 50)


def test_what_was_paid_for_has_its_model() -> None:
    (day,) = read_batch(records(call(1, status=499))).days
    assert (day["model"], day["cost_nano"]) == ("gpt-4o-mini", 500)


def test_what_is_no_row_is_left_out() -> None:
    good = records(call(1))
    strange = [b"\xc1", b"\x93\x00", msgspec.msgpack.encode({"a": 1}), b"\x91\x07"]
    batch = read_batch([*strange, *good])
    assert batch.unreadable == len(strange)
    assert len(batch.calls) == 1


def test_rows_of_later_versions_are_read() -> None:
    fields = msgspec.msgpack.decode(records(call(1))[0])
    batch = read_batch([msgspec.msgpack.encode([*fields, "a field of the future"])])
    assert batch.named_calls()[0]["id"] == "call-1"


def test_rows_of_earlier_versions_are_read() -> None:
    fields = msgspec.msgpack.decode(records(call(1))[0])
    batch = read_batch([msgspec.msgpack.encode(fields[:-1])])
    assert batch.named_calls()[0]["answer_key"] == ""


def test_zeros_and_numbers_beyond_all_bounds_are_mended() -> None:
    batch = read_batch(records(call(1, asked="a\0b", model="c\0", input_tokens=2**63)))
    (row,) = batch.named_calls()
    assert (row["asked"], row["model"]) == ("ab", "c")
    assert row["input_tokens"] < 2**53


def test_times_beyond_the_calendar_have_a_day() -> None:
    days = read_batch(records(call(1, at_s=-5.0), call(2, at_s=1e15))).days
    assert [day["day"] for day in days] == ["1970-01-01", "9999-12-31"]


def test_what_was_said_is_apart() -> None:
    batch = read_batch(records(call(1), ContentRow("call-1", NOVEMBER_S, "app", "a\0", "b")))
    assert len(batch.calls) == 1
    assert batch.contents[0]["prompt"] == "a"


def test_stages_become_text_in_the_order_that_they_had() -> None:
    maker = BatchMaker()
    row = call(stages=["authenticate", "send", 0.12345, 20.0])
    maker.add([msgspec.msgpack.encode(row), msgspec.msgpack.encode(call(2))])
    told = [each["stages"] for each in maker.batch().named_calls()]
    assert told == ['[["authenticate",0.123],["send",20.0]]', ""]
