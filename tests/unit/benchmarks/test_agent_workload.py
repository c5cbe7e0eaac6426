"""The agents' work that compression is measured on is the same for everybody."""

import json

from benchmarks.prompt import agent_workload
from benchmarks.prompt.compress_case import Figures, KindRow, MixRow

from headrace.prompt.compress.document import compress_document
from headrace.prompt.compress.rules import CompressRules


def test_a_seed_gives_the_same_work_again() -> None:
    work = list(agent_workload.sessions("seen", 3, 5))
    assert work == list(agent_workload.sessions("seen", 3, 5))
    assert work != list(agent_workload.sessions("seen", 3, 6))


def test_halves_share_no_tool() -> None:
    seen, unseen = (agent_workload.TOOLS[half].values() for half in ("seen", "unseen"))
    assert not set(seen) & set(unseen)


def test_every_tool_is_called_and_files_stay() -> None:
    for half in ("seen", "unseen"):
        called: dict[str, str] = {}
        for session in agent_workload.sessions(half, 12, 1):
            found, _ = compress_document(
                {"messages": session},
                dialect="openai",
                rules=CompressRules(repeats=False),
                count=len,
            )
            names = {
                call["id"]: call["function"]["name"]
                for message in session
                for call in message.get("tool_calls") or ()
            }
            for came, sent in zip(session, found["messages"], strict=True):
                if came["role"] == "tool":
                    name = names[came["tool_call_id"]]
                    called[name] = "same" if came == sent else "shorter"
            assert json.dumps(session)
        assert set(called) == set(agent_workload.TOOLS[half])
        assert {called[name] for name in called if name.startswith(("read", "view"))} == {"same"}


def test_missed_bars_are_told() -> None:
    slow = KindRow("HTML", 1, 2000, 0.1, 6.0, 0.2, 1)
    mix = MixRow("seen", "safe", 1, 100, 0.1, 0.1, 0.1, 0.9, 1.0)
    missed = Figures([slow], [mix]).missed
    assert [each.split(":")[0] for each in missed] == ["HTML", "HTML", "HTML", "seen", "mix"]
    kept = KindRow("HTML", 1, 2000, 0.3, 4.0, 0.2, 0)
    assert Figures([kept], [MixRow("seen", "safe", 1, 9, 0.25, 0.1, 0.3, 1.0, 1.0)]).missed == []
