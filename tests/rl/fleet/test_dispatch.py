"""Which engine writes what."""

from __future__ import annotations

import random
from dataclasses import replace

from lapis.rl.fleet.dispatch import Dispatcher
from lapis.rl.fleet.messages import Question
from lapis.types import Image, Request, Text, Turn

ASKED = Request((Turn("user", (Text("1+1"),)),))


def group(place: int, many: int = 2) -> list[Question]:
    return [Question((place, member), ASKED) for member in range(many)]


def made(slots: int, *names: str) -> Dispatcher:
    dispatcher = Dispatcher(slots)
    for name in names:
        dispatcher.join(name)
    return dispatcher


def test_a_group_goes_to_the_engine_with_the_fewest_tokens_in_flight_and_stays_together() -> None:
    dispatcher = made(8, "a", "b")
    for place, tokens in enumerate((100, 10, 10, 10)):
        dispatcher.add(group(place), [tokens, tokens])
    handed = [dispatcher.next() for _ in range(4)]
    assert [(name, [one.key[0] for one in asked]) for name, asked in handed if asked] == [
        ("a", [0, 0]), ("b", [1, 1]), ("b", [2, 2]), ("b", [3, 3]),
    ]  # fmt: skip
    assert dispatcher.next() is None


def test_nothing_is_handed_out_before_there_is_room() -> None:
    dispatcher = made(3, "a")
    dispatcher.add(group(0), [5, 5])
    dispatcher.add(group(1), [5, 5])
    assert dispatcher.next() is not None and dispatcher.next() is None
    assert dispatcher.finished("a", (0, 0)) and not dispatcher.finished("a", (0, 0))
    assert dispatcher.next() == ("a", group(1)) and dispatcher.loads["a"].tokens == 15


def test_a_group_larger_than_the_slots_goes_to_an_idle_engine() -> None:
    dispatcher = made(2, "a")
    dispatcher.add(group(0, 5), [1] * 5)
    handed = dispatcher.next()
    assert handed is not None and len(handed[1]) == 5


def test_what_a_dead_engine_was_writing_waits_again_before_all_else() -> None:
    dispatcher = made(4, "a", "b")
    for place in range(5):
        dispatcher.add(group(place), [1, 1])
    for _ in range(4):
        dispatcher.next()
    dispatcher.finished("a", (0, 1))
    assert dispatcher.lost("a") == 3 and not dispatcher.finished("a", (0, 0))
    assert [[question.key for question, _ in one] for one in dispatcher.queue] == [
        [(0, 0)], [(2, 0), (2, 1)], [(4, 0), (4, 1)],
    ]  # fmt: skip


def test_random_work_is_all_done_once_whatever_dies() -> None:
    draw = random.Random(1)
    dispatcher, done = made(6, "0", "1", "2"), list[tuple[int, int]]()
    for place in range(60):
        dispatcher.add(group(place, 3), [draw.randrange(1, 50) for _ in range(3)])
    flying: list[tuple[str, tuple[int, int]]] = []
    for number in range(3, 2000):
        while (handed := dispatcher.next()) is not None:
            flying += [(handed[0], one.key) for one in handed[1]]
        if draw.random() < 0.05:
            dead = draw.choice(sorted(dispatcher.loads))
            dispatcher.lost(dead)
            dispatcher.join(str(number))
        if flying:
            name, key = flying.pop(draw.randrange(len(flying)))
            done += [key] if dispatcher.finished(name, key) else []
    assert sorted(done) == [(place, member) for place in range(60) for member in range(3)]


def test_a_server_of_text_gets_plain_questions_and_holds_up_no_others() -> None:
    """Images and budgets go to the engines, in their turn; what a server may take does not wait behind them."""
    picture = Request((Turn("user", (Text("1+1"), Image(b"", 1, 1))),))
    dispatcher = made(2, "engine")
    dispatcher.join("server", plain=True)
    asked = [
        [Question((place, 0), one)] for place, one in enumerate((picture, replace(ASKED, budget=8), ASKED, picture))
    ]
    for one in asked:
        dispatcher.add(one, [5])
    handed = [dispatcher.next() for _ in range(4)]
    given = {questions[0].key[0]: name for name, questions in filter(None, handed)}
    assert given == {0: "engine", 1: "engine", 2: "server"}
    assert handed[-1] is None and len(dispatcher.queue) == 1
    assert dispatcher.finished("engine", (0, 0)) and dispatcher.next() == ("engine", asked[3])
