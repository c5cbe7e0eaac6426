"""Rules that make no sense are refused where they are made."""

import pytest

from headrace.flow.scheduler.rules import ClassRules, Priority, SchedulerRules


def test_every_class_has_its_rules_in_order() -> None:
    rules = SchedulerRules()
    names = [priority.name.lower() for priority in Priority]
    assert list(rules.by_priority()) == [getattr(rules, name) for name in names]


def test_lower_classes_are_more_patient_and_get_less() -> None:
    classes = SchedulerRules().by_priority()
    assert [each.wait_s_max for each in classes] == sorted(each.wait_s_max for each in classes)
    shares = [each.turns_share for each in classes]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares[1:]) < 0.1


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_between_nothing_and_all(share: float) -> None:
    with pytest.raises(ValueError, match="turns_share"):
        ClassRules(turns_share=share, target_s=1.0, interval_s=2.0, wait_s_max=3.0)


@pytest.mark.parametrize("times", [(0.0, 1.0, 2.0), (2.0, 1.0, 3.0), (1.0, 3.0, 2.0)])
def test_times_grow(times: tuple[float, float, float]) -> None:
    target_s, interval_s, wait_s_max = times
    with pytest.raises(ValueError, match="target_s"):
        ClassRules(turns_share=0.1, target_s=target_s, interval_s=interval_s, wait_s_max=wait_s_max)


def test_there_is_room_for_somebody() -> None:
    with pytest.raises(ValueError, match="waiting_max"):
        SchedulerRules(waiting_max=0)
