"""What each guard objects to, and what it lets pass: a row for each.

The rows are not taken from the labelled pairs of the benchmark.
"""

import pytest

from headrace.cache.semantic.guards import ALL_GUARDS, DOUBTS, GUARDS, object_to
from headrace.cache.semantic.reading import read

OBJECTS = (
    ("numbers", "List 3 causes of war.", "List 4 causes of war."),
    ("numbers", "Is 1.5 enough?", "Is 15 enough?"),
    ("numbers", "Is twelve enough?", "Is twenty enough?"),
    ("numbers", "Is half a pill enough?", "Is a pill enough?"),
    ("numbers", "Is a salary of 30k fair?", "Is a salary of 300k fair?"),
    ("numbers", "Who was the 3rd emperor?", "Who was the 13th emperor?"),
    ("numbers", "Who was the third emperor?", "Who was the fourth emperor?"),
    ("numbers", "When did King Henry VIII die?", "When did King Henry VI die?"),
    ("numbers", "Why did World War I begin?", "Why did World War II begin?"),
    ("numbers", "Is 0x1F a flag?", "Is 0x2F a flag?"),
    ("numbers", "Compare 5 with 5.", "Compare 5 with 7."),
    ("numbers", "What was hip in the 1950s?", "What was hip in the 1970s?"),
    ("units", "How long are 5 km on foot?", "How long are 5 mi on foot?"),
    ("units", "Is a delay of 20 ms bad?", "Is a delay of 20 s bad?"),
    ("units", "Is $50 too much?", "Is €50 too much?"),
    ("units", "Is 30 °C hot?", "Is 30 °F hot?"),
    ("units", "Is 5% a lot?", "Is 5 a lot?"),
    ("units", "How much is that in hours?", "How much is that in days?"),
    ("dates", "Is it open on Friday?", "Is it open on Saturday?"),
    ("dates", "What happened in March 2020?", "What happened in April 2020?"),
    ("dates", "What did it earn last year?", "What did it earn this year?"),
    ("dates", "Does it rain today?", "Does it rain tomorrow?"),
    ("dates", "Is the call at 9 am?", "Is the call at 9 pm?"),
    ("dates", "What was sold in Q2?", "What was sold in Q4?"),
    ("dates", "Is 2024-05-06 a holiday?", "Is 2024-06-06 a holiday?"),
    ("negation", "Which birds fly?", "Which birds do not fly?"),
    ("negation", "Which birds can fly?", "Which birds can't fly?"),
    ("negation", "Is there a cure?", "Is there no cure?"),
    ("negation", "Bread with yeast?", "Bread without yeast?"),
    ("negation", "Who came?", "Who never came?"),
    ("negation", "All days except Monday?", "All days and Monday?"),
    ("negation", "Did it start?", "Did it fail to start?"),
    ("negation", "why dont cats bark", "why do cats bark"),
    ("negation", "Wie kann ich es löschen?", "Wie kann ich es nicht löschen?"),
    ("antonyms", "How do I turn it on?", "How do I turn it off?"),
    ("antonyms", "What is the highest peak?", "What is the lowest peak?"),
    ("antonyms", "Is it legal?", "Is it illegal?"),
    ("antonyms", "How do I mount a disk?", "How do I unmount a disk?"),
    ("antonyms", "How is it encoded?", "How is it decoded?"),
    ("antonyms", "Why do prices rise?", "Why are prices falling?"),
    ("antonyms", "Who sold it?", "Who bought it?"),
    ("antonyms", "What comes before lunch?", "What comes after lunch?"),
    ("code", "What is `a + b`?", "What is `a - b`?"),
    ("code", "Explain ```x = 1```", "Explain ```x = 2```"),
    ("code", "What does open() do?", "What does close() do?"),
    ("code", "What is read_only for?", "What is read_write for?"),
    ("code", "What does ls -a show?", "What does ls -l show?"),
    ("code", "Is x > y true?", "Is x < y true?"),
    ("code", "What is on https://a.example/x?", "What is on https://a.example/y?"),
    ("code", "What is C?", "What is C++?"),
    ("quotes", 'What does "hot" mean?', 'What does "cold" mean?'),
    ("quotes", "What does 'warm' mean?", "What does 'mild' mean?"),
    ("quotes", "Was heißt „Haus“?", "Was heißt „Hof“?"),
    ("names", "Who rules Denmark?", "Who rules Norway?"),
    ("names", "Does Anna like Bob?", "Does Anna like Carl?"),
    ("names", "Is it sunny in Nice?", "Is it sunny in Lyon?"),
    ("language", "What is the time?", "Wie spät ist es?"),
    ("language", "Où est la gare ?", "¿Dónde está la estación?"),
    ("language", "What is that?", "Что это?"),
    ("asked", "Who built it?", "When was it built?"),
    ("asked", "Why is it cold?", "How is it cold?"),
    ("asked", "How many came?", "How much is it?"),
    ("asked", "Who is king?", "Who was king?"),
    ("asked", "What's the reason it broke?", "Where did it break?"),
    ("order", "How do I get from Rome to Bern?", "How do I get from Bern to Rome?"),
    ("order", "Does the cat chase the dog?", "Does the dog chase the cat?"),
    ("order", "Was Anna seen by Bob?", "Was Bob seen by Anna?"),
    ("order", "Is Mars bigger than Venus?", "Is Venus bigger than Mars?"),
    ("order", "Turn a CSV into a PDF.", "Turn a PDF into a CSV."),
    ("order", "Take 5 from 9.", "Take 9 from 5."),
    ("script", "什么是爱？", "什么是恨？"),
    ("script", "मौसम कैसा है?", "समय क्या है?"),
    ("wording", "Can a horse swim?", "Can a cow swim?"),
    ("wording", "What is a noun?", "What is a proper noun?"),
    ("wording", "Was kostet das Auto?", "Was kostet das Rad?"),
)  # fmt: skip

PASSES = (
    ("numbers", "Name 3 trees.", "Name three trees."),
    ("numbers", "Is 20,000 a lot?", "Is 20000 a lot?"),
    ("numbers", "Is two hundred and fifty a lot?", "Is 250 a lot?"),
    ("numbers", "Is 5 million a lot?", "Is five million a lot?"),
    ("numbers", "Was World War II long?", "Was World War 2 long?"),
    ("numbers", "Which one is it?", "Which is it?"),
    ("units", "Is $50 too much?", "Is 50 dollars too much?"),
    ("units", "Is 5 km far?", "Is 5 kilometres far?"),
    ("units", "Is 5 % a lot?", "Is 5 percent a lot?"),
    ("units", "Is 30 °C hot?", "Is 30 degrees Celsius hot?"),
    ("dates", "Is it on 5th May 2020?", "Is it on 2020-05-05?"),
    ("dates", "May I come in March?", "In March, can I come?"),
    ("negation", "Why isn't it there?", "Why is it not there?"),
    ("negation", "Soup with no salt?", "Soup without salt?"),
    ("antonyms", "What are the pros and cons?", "What are the cons and pros?"),
    ("antonyms", "How do I install it?", "How is it installed?"),
    ("code", "What is `a + b`?", "Explain `a  +  b`."),
    ("code", "Salt & pepper?", "Salt and pepper?"),
    ("quotes", "What does 'Hot' mean?", 'What does "hot" mean?'),
    ("quotes", "Isn't it the dogs' bowl?", "Is it not the bowl of the dogs?"),
    ("names", "Who rules Denmark?", "who rules denmark"),
    ("names", "WHO RULES DENMARK?", "Who rules Denmark?"),
    ("language", "weather Bern", "What is the weather in Bern?"),
    ("asked", "What is the reason it breaks?", "Why does it break?"),
    ("asked", "Who wrote it?", "What is the name of its writer?"),
    ("order", "In Java, how do I sort a list?", "How do I sort a list in Java?"),
    ("order", "Java: how do I sort a list?", "How do I sort a list in Java?"),
    ("order", "Does Anna see Bob?", "Is Bob seen by Anna?"),
    ("order", "Who is the mayor of Bern?", "Who is Bern's mayor?"),
    ("order", "Compare Rome and Bern.", "Compare Bern and Rome."),
    ("order", "What is the way to get to Bern?", "How do I get to Bern?"),
    ("script", "Что такое любовь?", "Любовь - что такое?"),
    ("wording", "Hello! Could you please tell me what a noun is?", "What is a noun?"),
    ("wording", "How do I organise colours?", "How do I organize colors?"),
    ("wording", "How do I buy a car?", "What is the way to purchase an automobile?"),
    ("wording", "What is e-mail?", "What is email?"),
    ("wording", "How tall is it?", "What is its height?"),
    ("wording", "Wie sortiere ich Listen?", "Wie kann ich Listen sortiere"),
)  # fmt: skip


@pytest.mark.parametrize(("guard", "one", "other"), OBJECTS)
def test_objects_and_says_why(guard: str, one: str, other: str) -> None:
    for first, second in ((one, other), (other, one)):
        objection = object_to(read(first), read(second), (guard,))
        assert objection is not None
        assert objection.guard == guard
        assert objection.why
        assert objection.is_final is (guard not in DOUBTS)


@pytest.mark.parametrize(("guard", "one", "other"), PASSES)
def test_lets_pass(guard: str, one: str, other: str) -> None:
    assert object_to(read(one), read(other), (guard,)) is None


def test_every_guard_has_rows_of_both_kinds() -> None:
    assert {guard for guard, _, _ in OBJECTS} == {guard for guard, _, _ in PASSES} == set(GUARDS)


def test_a_final_objection_comes_before_a_doubt() -> None:
    one, other = read("Do horses eat 3 apples?"), read("Do cows eat 4 apples?")
    assert object_to(one, other, ("wording",)) is not None
    objection = object_to(one, other, ("wording", "numbers"))
    assert objection is not None
    assert (objection.guard, objection.why, objection.is_final) == ("numbers", "3 / 4", True)


def test_nothing_is_objected_to_without_guards() -> None:
    assert object_to(read("Is it 3?"), read("Is it not 4?"), ()) is None


def test_the_same_text_passes_in_any_script() -> None:
    one, other = read("什么是 爱？"), read("什么是  爱？")
    assert object_to(one, other, ALL_GUARDS) is None
