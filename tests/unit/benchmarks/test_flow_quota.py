"""The experiment on quotas with one seed: what is promised holds, and only with quotas."""

import pytest
from benchmarks.flow.quota_case import CASES, REFUSED_SHARE_MAX, USED_SHARE_MIN, simulate

BY_NAME = {case.name: case for case in CASES}


@pytest.mark.parametrize("name", ["OpenAI, tokens bind", "Anthropic, output binds", "three keys"])
def test_the_quota_is_used_and_the_provider_has_no_reason_to_refuse(name: str) -> None:
    run = simulate(BY_NAME[name], seed=7)
    assert run.used >= USED_SHARE_MIN
    assert run.refused < REFUSED_SHARE_MAX
    assert run.given_up == 0


def test_without_quotas_the_provider_refuses_much() -> None:
    run = simulate(BY_NAME["nothing but retry-after"], seed=7)
    assert run.refused > 0.3
    assert run.given_up > 0


def test_a_seed_is_repeated_exactly() -> None:
    case = BY_NAME["no headers"]
    assert simulate(case, seed=3) == simulate(case, seed=3)
