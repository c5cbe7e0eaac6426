"""Whole requests: whose words are touched, what tools returned, and what is told of it."""

import json
from sys import getsizeof
from typing import Any

import pytest
from tests.support.prompts import count_pieces

from headrace import compress
from headrace.prompt.compress.compressor import Compressor, rules_of
from headrace.prompt.compress.document import compress_document
from headrace.prompt.compress.memo import Memo
from headrace.prompt.compress.pipeline import Job
from headrace.prompt.compress.rules import CompressRules, CountText
from headrace.prompt.compress.stale import CLEARED, FIRST_STEP_CHARS
from headrace.settings.prompt import CompressSettings, PromptSettings, WindowSettings

ROWS = json.dumps([{"id": n, "name": f"number {n}", "city": "Ghent"} for n in range(40)], indent=2)
WIDE = "Trailing space   \n\n\n\nand more.\n"
LONG_WIDE = ("We do this in order to show it. It goes on and on.   \n\n\n\n" * 40).strip()


def openai(*messages: dict[str, Any], **rules: Any) -> tuple[list[Any], Any]:
    return sent("openai", {"messages": list(messages)}, **rules)


def sent(
    dialect: Any,
    document: dict[str, Any],
    memo: Memo | None = None,
    count: CountText = count_pieces,
    **rules: Any,
) -> tuple[list[Any], Any]:
    found, report = compress_document(
        document, dialect=dialect, rules=CompressRules(**rules), count=count, memo=memo
    )
    return found["messages"], report


def call(name: str, number: int, arguments: str = "{}") -> dict[str, Any]:
    made = {"id": f"c{number}", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": "Let me  see.   ", "tool_calls": [made]}


def result(number: int, text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"c{number}", "content": text}


def test_each_role_has_its_own_rules() -> None:
    messages, report = openai(
        {"role": "developer", "content": WIDE + "Do this in order to win."},
        {"role": "user", "content": "In order to win?   \n\n\n\nYes."},
        {"role": "user", "content": LONG_WIDE},
        call("search", 1),
        result(1, ROWS),
    )
    assert messages[0]["content"].startswith("Trailing space\n\nand more.\nDo this in order to")
    assert messages[1]["content"] == "In order to win?\n\nYes."
    assert messages[2]["content"].startswith("We do this to show it.")
    assert messages[3] == call("search", 1)
    assert messages[4]["content"].startswith('@rows1, 40 rows as CSV; in each: "city":"Ghent"')
    assert report.tokens_after < report.tokens_before
    assert (report.texts, report.changed, report.level) == (4, 4, "safe")
    assert {stage.stage for stage in report.stages} >= {"whitespace", "phrases", "json", "rows"}
    assert sum(s.tokens_saved for s in report.stages) == report.tokens_before - report.tokens_after


def test_json_of_users_keeps_its_form() -> None:
    messages, _ = openai({"role": "user", "content": ROWS * 1})
    assert messages[0]["content"] == json.dumps(json.loads(ROWS), separators=(",", ":"))


def test_system_text_and_pages_of_users_stay() -> None:
    page = "<html><body>" + "<p>text</p>" * 300 + "</body></html>"
    document = {
        "messages": [{"role": "system", "content": ROWS}, {"role": "user", "content": page}]
    }
    found, report = compress_document(
        document, dialect="openai", rules=CompressRules(level="lossy"), count=count_pieces
    )
    assert found is document
    assert report.changed == 0


def test_blocks_of_anthropic() -> None:
    image = {"type": "image", "source": {"type": "base64", "data": "   "}}
    document = {
        "model": "m",
        "system": [{"type": "text", "text": WIDE, "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi.  \n\n\n\nThere"}, image]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "list"}]},
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t",
                        "is_error": False,
                        "content": [{"type": "text", "text": ROWS}, image],
                    },
                    {"type": "text", "text": WIDE, "citations": [{"start": 0}]},
                ],
            },
        ],
    }
    before = json.dumps(document)
    found, _ = compress_document(
        document, dialect="anthropic", rules=CompressRules(), count=count_pieces
    )
    assert json.dumps(document) == before
    assert found["model"] == "m"
    assert found["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert found["system"][0]["text"] == "Trailing space\n\nand more.\n"
    assert found["messages"][0]["content"] == [{"type": "text", "text": "Hi.\n\nThere"}, image]
    block = found["messages"][2]["content"][0]
    assert block["content"][0]["text"].startswith("@rows1")
    assert block["content"][1] is image
    assert block["is_error"] is False
    assert found["messages"][2]["content"][1]["text"] == WIDE


@pytest.mark.parametrize(
    ("tool", "is_exact"),
    [("read_file", True), ("ReadFile", True), ("str_replace_editor", True), ("cat", True),
     ("locate", False), ("search", False), ("read_webpage", False), ("readURL", False),
     ("list_issues", False), ("deploy", True), ("", False)],
)  # fmt: skip
def test_tools_for_editors_are_exact(tool: str, is_exact: bool) -> None:
    messages, report = openai(call(tool, 1), result(1, ROWS), exact_tools=("Deploy",))
    assert (messages[1]["content"] == ROWS) is is_exact
    assert report.texts == 1


def test_a_result_that_came_before_is_told_by_a_pointer() -> None:
    messages, report = openai(
        call("search", 1, '{"q":"x"}'),
        result(1, ROWS),
        call("read_file", 2, '{"path":"a"}'),
        result(2, WIDE * 20),
        call("search", 3, '{"q":"y"}'),
        result(3, json.dumps(json.loads(ROWS))),
        call("read_file", 4, '{"path":"a"}'),
        result(4, WIDE * 20),
    )
    assert messages[3]["content"] == WIDE * 20
    assert messages[5]["content"] == '[same as above: search({"q":"x"})]'
    assert messages[7]["content"] == WIDE * 20, "edits quote what tools for editors return"
    assert next(s for s in report.stages if s.stage == "repeats").texts == 1
    assert report.changed == 2
    messages, _ = openai(result(1, ROWS), result(2, ROWS), repeats=False)
    assert messages[0]["content"] == messages[1]["content"]


def agent(turns: int, chars: int = 4000) -> list[dict[str, Any]]:
    """An agent that asks for the status of the same thing again and again, and for others."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Watch it."}]
    for turn in range(turns):
        what = "status" if turn % 2 else f"other {turn}"
        messages += [call("ask", turn, json.dumps(what)), result(turn, f"{turn} " * (chars // 4))]
    return messages


def test_stale_results_are_cleared_in_big_steps() -> None:
    history = agent(60, chars=8000)
    breaks = cleared = 0
    last: list[Any] = []
    memo = Memo(1 << 24)
    for end in range(1, len(history) + 1):
        messages, report = sent(
            "openai", {"messages": history[:end]}, memo, len, level="lossy", keep_share=0.9
        )
        breaks += messages[: len(last)] != last
        last, cleared = messages, max(cleared, report.cleared)
    total = sum(len(each["content"]) for each in history[2::2])
    assert cleared > 12
    assert breaks <= (total // FIRST_STEP_CHARS).bit_length()
    assert last[-1]["content"] != CLEARED
    newest = max(at for at, each in enumerate(last) if each.get("content") == CLEARED)
    assert newest < len(last) - 2


def test_nothing_is_cleared_in_safe_nor_of_exact_tools_nor_twice() -> None:
    history = agent(60)
    assert all(m["content"] != CLEARED for m in openai(*history)[0])
    messages, report = openai(*history, level="lossy")
    assert report.cleared > 0
    assert openai(*messages, level="lossy")[0] is not None
    assert openai(*messages, level="lossy")[1].cleared == 0
    messages, report = openai(*history, level="lossy", exact_tools=("ask",))
    assert report.cleared == 0


def test_long_prose_is_cut_by_the_question_before_it() -> None:
    filler = "The garden is open in summer and has many roses of all colours in it. "
    answer = "The key of the shed hangs behind the second door on the left."
    messages, report = openai(
        {"role": "user", "content": "Where is the key of the shed?"},
        call("search", 1),
        result(1, f"{filler * 15}\n{answer} {filler * 15}"),
        {"role": "user", "content": "And the roses?"},
        level="lossy",
        keep_share=0.2,
    )
    assert answer in messages[2]["content"]
    assert len(messages[2]["content"]) < 1000
    assert any(stage.stage == "sentences" for stage in report.stages)


def test_a_model_that_leaves_words_out_is_asked_once_for_each_text() -> None:
    asked: list[str] = []

    def shorten(text: str, keep_share: float) -> str:
        asked.append(text)
        return " ".join(text.split()[::2])

    text = "words of no interest, and there are quite a few of them here. " * 40
    document = {"messages": [call("search", 1), result(1, text)]}
    rules = CompressRules(level="lossy")
    found, _ = compress_document(
        document, dialect="openai", rules=rules, count=count_pieces, shorten=shorten
    )
    assert found["messages"][1]["content"].startswith("[words left out]\n")
    again, _ = compress_document(
        found, dialect="openai", rules=rules, count=count_pieces, shorten=shorten
    )
    assert again is found
    assert len(asked) == 1


def test_the_memo_gives_the_same_and_stays_within_its_bound() -> None:
    memo = Memo(20_000)
    counted: list[str] = []

    def count(text: str) -> int:
        counted.append(text)
        return count_pieces(text)

    def run() -> Any:
        document = {"messages": [call("search", 1), result(1, ROWS), result(2, "plain " * 100)]}
        return compress_document(
            document, dialect="openai", rules=CompressRules(), count=count, memo=memo
        )

    first = run()
    work = len(counted)
    assert run() == first
    assert len(counted) == work, "what is remembered is counted again"
    assert 0 < memo.bytes_held <= 20_000
    for number in range(200):
        text = f"{number} is a number.   \n" * 30
        compress_document(
            {"messages": [result(1, text)]},
            dialect="openai", rules=CompressRules(), count=count, memo=memo,
        )  # fmt: skip
    assert memo.bytes_held <= 20_000


def test_the_memo_counts_all_that_it_holds() -> None:
    """A text of a thousand stretches in which stages were taken back, and letters of four bytes."""
    stretches = "A line with padding.   \n\n```\ncode\n```\n" * 1000
    job = Job("result", CompressRules(), lambda _: 7)
    memo = Memo(1 << 20)
    effects = memo.outcome(stretches, job).effects
    assert effects == (("whitespace", 0, True),)
    assert memo.bytes_held > getsizeof("") + sum(map(getsizeof, (effects, *effects)))
    wide = "\U0001f600 stands here.   \n\n\n\n" * 100
    held = memo.bytes_held
    made = memo.outcome(wide, Job("result", CompressRules(), len))
    assert made.text != wide
    assert memo.bytes_held - held > getsizeof(made.text)


def test_settings_become_rules() -> None:
    assert rules_of(PromptSettings()) is None
    wanted = CompressSettings(level="lossy", exact_tools=("a",), stale=False, keep_share=0.3)
    fitted = rules_of(PromptSettings(compress=wanted, window=WindowSettings(enabled=True)))
    assert fitted is not None
    assert not fitted.repeats, "what a pointer leads to may be cleared"
    rules = rules_of(PromptSettings(compress=wanted))
    assert rules == CompressRules(level="lossy", exact_tools=("a",), stale=False, keep_share=0.3)
    assert rules is not None
    compressor = Compressor(rules, count_pieces, memory_bytes=1 << 20)
    document = {"messages": [call("search", 1), result(1, ROWS)]}
    for dialect in ("openai", "anthropic"):
        found, report = compressor.compress(document, dialect=dialect)  # type: ignore[arg-type]
        assert found["messages"][1]["content"].startswith("@rows1")
        assert report.saved_share > 0.5


def test_compress_for_programs() -> None:
    messages = [{"role": "user", "content": "Hi   \n\n\n\nthere"}, result(1, ROWS)]
    found = compress(messages, system="Be  kind.   \n")
    assert found.messages[0]["content"] == "Hi\n\nthere"
    assert found.system == "Be  kind.\n"
    assert found.original is messages
    assert found.report.invariants
    assert compress(messages).system is None
    assert compress(found.messages).messages == found.messages
    with pytest.raises(ValueError, match="safe or lossy"):
        compress(messages, "strong")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="keep_share"):
        compress(messages, keep_share=0)
