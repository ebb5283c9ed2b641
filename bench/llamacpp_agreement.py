"""Greedy answers of the llama.cpp backend against the torch engine's: 200 prompts, f16 and f32.

With a run, its exported model is asked the run's held-out questions: text, thoughts with and without a budget, screens.
Without, a pocket decoder drawn at random is asked made questions, text alone. Answers that part are wrong unless they
part where the torch model's two best logits are closer than the engines differ (lapis/eval/agreement.py). Needs a built
llama.cpp (`lapis build llamacpp`).

python -m bench.llamacpp_agreement [run=FOLDER]
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.parts.line import run_of, say
from lapis import chat
from lapis.data import store
from lapis.data.evenly import spread
from lapis.data.synth import questions
from lapis.data.tokenise import train_tokenizer
from lapis.eval import agreement
from lapis.export import gguf, hf
from lapis.model import convert, init
from lapis.model.vlm import Lapis
from lapis.named import recipe_in
from lapis.recipes import pocket
from lapis.serve.asked import Asked
from lapis.serve.engine import Engine
from lapis.serve.llamacpp import LlamaCpp
from lapis.types import Request, Sample

SETS = (
    ("math", False, 40),
    ("math", True, 60),
    ("ground_seen", False, 50),
    ("ground_unseen", False, 20),
    ("screen_math_seen", True, 30),
)
"""Held-out file, thinking or not, prompts."""
BUDGETS = (-1, -1, 64, 24)
TOKENS, LENGTH, SLOTS, GOAL = 192, 1024, 4, 0.95


def main() -> None:
    run = run_of(sys.argv[1:])
    with tempfile.TemporaryDirectory() as scratch:
        model, asked = of_run(run) if run is not None else made(Path(scratch))
        found = {form: compare(model, asked, form, Path(scratch)) for form in ("f32", "f16")}
    for form, total in found.items():
        told = f"{total.equal:.1%} of {total.n} wholly equal, epsilon {total.epsilon:.4f}, wrong {total.wrong}"
        print(f"{form}: {told}")
    say(
        "llamacpp_agreement",
        found["f16"].equal,
        GOAL,
        "share of greedy answers at f16 that are torch's",
        1.0,
    )


def of_run(run: Path) -> tuple[Path, list[Request]]:
    """A run's exported model and its held-out questions."""
    recipe = recipe_in(run)
    asked = list[Request]()
    for name, think, count in SETS:
        path = run / recipe.data.name / "heldout" / f"{name}.parquet"
        asked += [*requests(spread(list(store.read_samples(path)), count), think)]
    return run / recipe.export.name / "hf", asked


def made(place: Path) -> tuple[Path, list[Request]]:
    """A decoder drawn at random, and questions that rules make."""
    samples = list(questions.generate(200, 0, "held"))
    shape = pocket.model().decoder
    tokenizer = train_tokenizer([turn.text for sample in samples for turn in sample.turns], shape.vocab, place / "t", 1)
    hf.write(init.fresh(shape, 0), tokenizer, place / "hf")
    return place / "hf", [*requests(samples[:80], False), *requests(samples[80:], True)]


def requests(samples: Sequence[Sample], think: bool) -> Iterator[Request]:
    for number, sample in enumerate(samples):
        budget = BUDGETS[number % len(BUDGETS)] if think else -1
        yield Request(sample.turns[:-1], think, budget, max_tokens=TOKENS, grace=0)


def compare(model: Path, asked: Sequence[Request], form: str, place: Path) -> agreement.Total:
    """Both engines' answers to all requests."""
    gguf.write(model, place / "gguf", (form,))
    likely = [dataclasses.replace(request, top_logprobs=agreement.LIKELY) for request in asked]
    with Asked(LlamaCpp(place / "gguf", form, slots=SLOTS, length=LENGTH, queue=len(asked), threads=1)) as backend:
        theirs = backend.generate(likely)
    network = convert.read(model)
    tokenizer = chat.Tokenizer.load(model, network.config.tokens_per_tile if isinstance(network, Lapis) else 1)
    engine = Engine(network, tokenizer, 4 * SLOTS, LENGTH, features={})
    ours = engine.generate(asked)
    return agreement.total([agreement.compare(engine, *three) for three in zip(asked, ours, theirs, strict=True)])


if __name__ == "__main__":
    main()
