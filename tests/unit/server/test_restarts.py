from headrace.server.restarts import (
    RESTART_PAUSE_S_MAX,
    RESTART_PAUSE_S_MIN,
    SOUND_AFTER_S,
    Restarts,
)


def test_pauses_double_up_to_a_limit() -> None:
    restarts = Restarts()
    pauses = [restarts.pause_s(0.0) for _ in range(10)]
    assert pauses[:3] == [RESTART_PAUSE_S_MIN, RESTART_PAUSE_S_MIN * 2, RESTART_PAUSE_S_MIN * 4]
    assert pauses[-1] == RESTART_PAUSE_S_MAX
    assert pauses == sorted(pauses)


def test_what_ran_soundly_is_started_at_once_and_forgives_what_was_before() -> None:
    restarts = Restarts()
    restarts.pause_s(0.0)
    restarts.pause_s(0.0)
    assert restarts.pause_s(SOUND_AFTER_S) == 0.0
    assert restarts.pause_s(0.0) == RESTART_PAUSE_S_MIN
