"""Forms of a model compared on held-out questions: paired differences, losses, what is left out, the table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from lapis import chat, config
from lapis.data import store
from lapis.eval import quality
from lapis.model.vlm import Lapis
from lapis.types import Completion, InputError, Request
from tests.eval.scripted import Scripted, Silent, question
from tests.serve.small import small_shape, spread

PLAN = config.Eval(samples=6, max_tokens=32)


class Form(Scripted):
    """Right on the first `able` questions, with losses and logits to match."""

    def __init__(self, able: int, loss: float):
        super().__init__(lambda request: ("", ""))
        self.able, self.loss = able, loss

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        def rule(request: Request) -> tuple[str, str]:
            number = int(request.turns[-1].text.split()[0])
            return (str(number + 1) if number < self.able else "nothing"), "so it is"

        self.rule = rule
        return super().generate(requests)

    def logits(self, encoded: chat.Encoded) -> torch.Tensor:
        assert not any(encoded.trained), "the answer is not shown"
        return torch.tensor([1.0, self.loss - 1.0])

    def nll(self, encoded: chat.Encoded) -> list[float]:
        return [self.loss] * sum(encoded.trained)


@pytest.fixture
def heldout(tmp_path: Path) -> Path:
    sums = [question(f"{number} + 1?", str(number + 1)) for number in range(6)]
    store.write_samples(tmp_path / "math.parquet", sums)
    return tmp_path


def asked(heldout: Path, tokenizer: chat.Tokenizer, longest: int = 512) -> quality.Questions:
    return quality.questions(heldout, PLAN, small_shape(), tokenizer, longest)


def test_forms_are_set_beside_the_first(heldout: Path, tokenizer: chat.Tokenizer) -> None:
    progress, forms = Silent(), {"fp32": lambda: Form(6, 1.0), "int4": lambda: Form(3, 1.5)}
    questions = asked(heldout, tokenizer)
    told = quality.compare(forms, questions, progress)
    assert progress.steps == questions.count(2) == 2 * 6 * 2
    first, other = told["forms"]["fp32"], told["forms"]["int4"]
    assert (first["loss"], other["loss"], other["loss_more"]["value"]) == (1.0, 1.5, 0.5)
    for mode in ("think", "direct"):
        assert first["tasks"][f"math/{mode}"]["value"] == 1 and first["tasks"][f"math/{mode}"]["more"]["value"] == 0
        half = other["tasks"][f"math/{mode}"]
        assert (half["value"], half["n"], half["more"]["value"]) == (0.5, 6, -0.5)
        assert half["more"]["low"] < -0.5 < half["more"]["high"] <= 0
    assert first["cosine"] == {"mean": pytest.approx(1.0), "least": pytest.approx(1.0), "n": 6}
    assert other["cosine"]["mean"] == pytest.approx(0.8944, abs=1e-3) and other["same_token"] == 1.0
    lines = quality.table(told).splitlines()
    assert len(lines) == 4 and "100% (61% to 100%, n = 6)" in lines[2] and "50%, -50 points" in lines[3]
    assert "+50.0%" in lines[3]


def test_what_does_not_fit_is_left_out(heldout: Path, tokenizer: chat.Tokenizer) -> None:
    with pytest.raises(InputError, match="none that fits into 40 tokens"):
        asked(heldout, tokenizer, 40)
    with pytest.raises(InputError, match="no held-out set"):
        asked(heldout / "nowhere", tokenizer)


def test_a_models_losses_are_its_engines_log_probabilities(heldout: Path, tokenizer: chat.Tokenizer) -> None:
    torch.manual_seed(2)
    form = quality.Torch(spread(Lapis(small_shape())), tokenizer)
    sample = question("3 + 1?", "4")
    request = Request(sample.turns[:-1], max_tokens=6)
    done = form.generate([request])[0]
    ids = [*done.prompt_ids, *done.token_ids]
    known = [False] * len(done.prompt_ids) + [True] * len(done.token_ids)
    assert form.nll(chat.Encoded(ids, known, [])) == pytest.approx([-one for one in done.logprobs], abs=1e-3)
    after = form.logits(chat.Encoded(list(done.prompt_ids), known[: len(done.prompt_ids)], []))
    assert float(after.log_softmax(-1)[done.token_ids[0]]) == pytest.approx(done.logprobs[0], abs=1e-3)
