"""An engine that is fed while it runs: answers, versions of every token, new weights between steps, bad questions."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lapis.dist.guard import Place
from lapis.model.decoder import Decoder
from lapis.rl.fleet.engine import Writer, per_token
from lapis.rl.fleet.messages import Answer, Call, Question
from lapis.rl.fleet.weights import Broadcast, Files, Flat, listen
from lapis.rl.rollout import engine_of, request
from lapis.types import Completion
from tests.rl.fleet.made import sample, stage
from tests.serve.small import byte_tokenizer, small_shape, spread

CPU = Place(torch.device("cpu"), torch.float32)
PLAN = stage(max_tokens=40, row_tokens=96)


def model(seed: int = 0) -> Decoder:
    torch.manual_seed(seed)
    return spread(Decoder(small_shape().decoder))


@pytest.fixture
def writer() -> Iterator[Writer]:
    made = Writer(engine_of(model(), byte_tokenizer(), PLAN, 8, CPU), "engine 0")
    yield made
    made.close()


def asked(number: int, member: int = 0, tokens: int = 40) -> Question:
    return Question((number, member), request(sample(number), tokens, 1.0, 100 * number + member))


def collected(writer: Writer, many: int) -> dict[tuple[int, int], Answer]:
    found: dict[tuple[int, int], Answer] = {}
    while len(found) < many:
        found |= {answer.key: answer for answer in writer.collect(5).answers}
    return found


def written(decoder: Decoder, question: Question) -> Completion:
    (done,) = engine_of(copy.deepcopy(decoder), byte_tokenizer(), PLAN, 8, CPU).generate([question.request])
    return done


def test_answers_are_those_of_an_engine_that_is_asked_all_at_once(writer: Writer) -> None:
    questions = [asked(number, member) for number in range(3) for member in range(2)]
    for question in questions:
        writer.ask([question])
    found = collected(writer, 6)
    for question in questions:
        assert found[question.key].completion == written(model(), question)
        assert set(found[question.key].versions) == {0}


def test_new_weights_come_between_two_tokens_and_no_request_is_dropped(writer: Writer) -> None:
    """An answer in flight keeps its tokens and goes on; a question of the same prompt afterwards is the new model's."""
    changed, question = model(5), asked(1)
    flat = Flat(writer.engine.decoder, torch.float32)
    for view, parameter in zip(flat.views, changed.parameters(), strict=True):
        view.copy_(parameter)
    step, steps, seen = writer.engine.session.step, 0, threading.Event()

    def counted(chunk: int) -> list[object]:
        nonlocal steps
        steps += 1
        if steps == 5:
            seen.set()
            swapped.wait()
        return step(chunk)  # type: ignore[return-value]

    swapped = threading.Event()
    writer.engine.session.step = counted  # type: ignore[method-assign,assignment]
    writer.ask([question])
    seen.wait()
    ended = threading.Thread(target=writer.swap, args=(3, flat.write))
    ended.start()
    writer.ask([asked(1, 1)])
    swapped.set()
    ended.join()
    found = collected(writer, 2)
    first, second = found[1, 0], found[1, 1]
    assert first.completion is not None and set(first.versions) == {0, 3}
    change = first.versions.index(3)
    assert first.versions == (0,) * change + (3,) * (len(first.versions) - change)
    before = written(model(), question)
    assert first.completion.token_ids[:change] == before.token_ids[:change]
    assert first.completion.logprobs[:change] == before.logprobs[:change]
    assert second.completion == written(changed, asked(1, 1)) and set(second.versions) == {3}


def test_versions_of_every_token_by_hand() -> None:
    assert per_token([(0, 4), (2, 5), (2, 6)], 5) == (4, 4, 6, 6, 6)
    assert per_token([(0, 1)], 2) == (1, 1)


def test_a_question_that_cannot_be_asked_comes_back_with_its_reason(writer: Writer) -> None:
    writer.ask([Question((0, 0), request(sample(10**100), 40)), asked(1)])
    found = collected(writer, 2)
    assert found[0, 0].completion is None and "prompt" in found[0, 0].fault and found[1, 0].completion is not None


def test_what_breaks_the_engine_is_told(writer: Writer) -> None:
    def broken(chunk: int) -> list[object]:
        raise RuntimeError("no more")

    writer.engine.session.step = broken  # type: ignore[method-assign,assignment]
    writer.ask([asked(0)])
    writer._thread.join()
    with pytest.raises(RuntimeError, match="no more"):
        writer.collect(0.01)


@pytest.mark.parametrize("kind", ["broadcast", "files"])
def test_weights_arrive_whole_in_every_engine_in_its_precision(kind: str, tmp_path: Path) -> None:
    trainer, engines = model(1), [model(2).bfloat16() for _ in range(2)]
    source = Flat(trainer, torch.bfloat16)
    source.read()
    store, address = listen("127.0.0.1")
    ends = [Files(tmp_path) if kind == "files" else Broadcast("127.0.0.1", 0.01, own) for own in (store, None, None)]
    for number in range(2):
        with torch.no_grad():
            trainer.embedding.weight.add_(1)
        source.read()
        call, targets = Call(number, address, 3, number), [Flat(one, torch.bfloat16) for one in engines]
        threads = [threading.Thread(target=ends[0].send, args=(source, call))]
        threads += [
            threading.Thread(target=end.receive, args=(target, call, rank))
            for rank, (end, target) in enumerate(zip(ends[1:], targets, strict=True), 1)
        ]
        [thread.start() for thread in threads], [thread.join() for thread in threads]
        for target, engine in zip(targets, engines, strict=True):
            assert target.sign() == source.sign()
            target.write()
            pairs = zip(engine.parameters(), trainer.parameters(), strict=True)
            assert all(torch.equal(mine, other.bfloat16()) for mine, other in pairs)
