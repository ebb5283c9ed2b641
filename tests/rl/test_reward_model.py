"""A reward model learns preferences far above chance, resumes to the same, and is a reward when it is read back."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from lapis import chat, config, reward_config, reward_verb
from lapis.data.pairs import Pair
from lapis.data.synth import preferences
from lapis.data_config.read import read
from lapis.dist.guard import Place
from lapis.export import hf
from lapis.model import convert
from lapis.model.decoder import Decoder
from lapis.model.head import ScalarHead, Scorer
from lapis.reward_config import RewardModel
from lapis.rl import reward_model, reward_train
from lapis.rl.reward_model import Preference
from lapis.rl.rewards.book import Failed, Item
from lapis.types import InputError, Silent, Text, Turn
from tests.rl.rewards.items import answer, sample
from tests.tiny import tiny_tokenizer

CPU = Place(torch.device("cpu"), torch.float32)
SHAPE = config.Decoder(width=32, layers=2, heads=4, kv_heads=2, head_dim=8, mlp=64, vocab=512)
HOW = RewardModel(steps=6, pairs=4, row_tokens=700, checkpoint_every=2, lr=3e-3, lr_head=1e-2)


def decoder(shape: config.Decoder = SHAPE) -> Decoder:
    torch.manual_seed(0)
    return Decoder(shape)


def own_tokenizer() -> chat.Tokenizer:
    """A byte-level BPE that has read the pairs, as that of a real model would have."""
    pairs = list(preferences.safety(200, 3, "train"))
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=list(chat.SPECIALS), initial_alphabet=alphabet, show_progress=False
    )
    texts = [text for pair in pairs for text in (pair.prompt[0].text, pair.chosen, pair.rejected)]
    raw.train_from_iterator(texts, trainer)
    return chat.Tokenizer(raw, 1)


def easy(count: int, split: str = "train") -> list[Pair]:
    """Pairs whose chosen answer says yes."""
    words = ("so", "then", "well", "now") if split == "train" else ("thus", "here")
    return [
        Pair((Turn("user", (Text(f"{number} {split}?"),)),), f"{words[number % len(words)]} yes", f"no {number % 3}")
        for number in range(count)
    ]


def test_the_loss_by_hand() -> None:
    chosen, rejected = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    expected = math.log1p(math.exp(-1.0)) + math.log1p(math.exp(2.0)) + 0.1 * (1.0 + 4.0)
    assert float(reward_train.loss_of(chosen, rejected, 0.1)) == pytest.approx(expected)


def test_a_sequence_scores_the_same_alone_and_in_a_row() -> None:
    scorer = Scorer(decoder(), ScalarHead(32)).requires_grad_(False)
    groups = [((5, 6, 7, 8),), ((9, 10),), ((11, 12, 13),)]
    together = reward_model.scores_of(scorer, groups, 100, CPU.device)
    alone = reward_model.scores_of(scorer, groups, 1, CPU.device)
    assert [one for (one,) in together] == pytest.approx([one for (one,) in alone], abs=1e-5)
    hidden = scorer.decoder(scorer.decoder.embed(torch.tensor([[9, 10]])), torch.tensor([[0, 1]]))
    assert together[1][0] == pytest.approx(float(hidden[0, -1] @ scorer.head.weight), abs=1e-5)


def test_the_gradient_is_that_of_all_pairs_at_once() -> None:
    pairs = reward_train.split(easy(4), easy(2, "held"), tiny_tokenizer(), HOW).train
    norms = []
    for tokens in (10_000, 1):
        trainer = reward_train.Trainer(decoder(), replace(HOW, row_tokens=tokens), CPU)
        norms.append(trainer.step(0, pairs)["grad_norm"])
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)


def test_prompts_stand_on_one_side_and_long_pairs_on_none() -> None:
    pairs = easy(300)
    sets = reward_train.split(pairs, None, tiny_tokenizer(), replace(HOW, held=0.2))
    assert len(sets.train) + len(sets.held) == 300 and 30 < len(sets.held) < 90
    assert all(
        reward_train.is_held(pair, 0.2) == reward_train.is_held(Pair(pair.prompt, "x", "y"), 0.2) for pair in pairs
    )
    long = Pair(easy(1)[0].prompt, "word " * 400, "no")
    assert reward_train.split([*easy(3), long], easy(2, "held"), tiny_tokenizer(), HOW).dropped == 1
    with pytest.raises(InputError, match="none to train on .1 are longer than row_tokens"):
        reward_train.split([long], easy(2, "held"), tiny_tokenizer(), HOW)


def test_a_run_that_was_cut_ends_as_one_that_was_not(tmp_path: Path) -> None:
    class Cut(Exception):
        pass

    class CutAt(Silent):
        left = 4

        def advance(self, steps: int = 1, note: str = "") -> None:
            self.left -= 1
            if self.left < 0:
                raise Cut

    sets = reward_train.split(easy(12), easy(6, "held"), tiny_tokenizer(), HOW)

    def go(folder: Path, progress: Silent) -> dict[str, object]:
        return reward_train.train(decoder(), tiny_tokenizer(), sets, HOW, CPU, folder, progress)

    straight = go(tmp_path / "whole", Silent())
    with pytest.raises(Cut):
        go(tmp_path / "cut", CutAt())
    assert not (tmp_path / "cut" / "reward.json").exists()
    assert go(tmp_path / "cut", Silent()) == straight
    assert (tmp_path / "whole" / "metrics.jsonl").read_text() == (tmp_path / "cut" / "metrics.jsonl").read_text()
    whole, cut = (convert.read(tmp_path / name / "model") for name in ("whole", "cut"))
    assert all(map(torch.equal, whole.parameters(), cut.parameters()))
    with pytest.raises(InputError, match="begun with another lr, seed; expected the same"):
        other = replace(HOW, lr=1e-5, seed=1)
        reward_train.train(decoder(), tiny_tokenizer(), sets, other, CPU, tmp_path / "cut", Silent())


def test_safety_is_learned_and_judges_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, out = tmp_path / "model", tmp_path / "safety"
    hf.write(decoder(replace(SHAPE, vocab=768)), own_tokenizer(), made)
    words = [f"out={out}", "steps=60", "pairs=16", "row_tokens=1100", "lr=4e-3", "lr_head=2e-2"]
    reward_verb.train(argparse.Namespace(model=str(made), pairs="safety", words=words))
    said = capsys.readouterr().out
    assert said.startswith(f"{out}: ") and said.count("\n") == 1 and "of 200 held-out pairs right" in said
    reward = Preference(out, CPU.device)
    facts = reward_model._facts(out)
    assert facts["before"]["high"] < facts["after"]["low"] and facts["after"]["low"] > 0.7
    pairs = list(preferences.safety(20, 7, "held"))
    verdicts = [
        reward([Item(sample({}, question=pair.prompt[0].text), answer(text)) for text in (pair.chosen, pair.rejected)])
        for pair in pairs
    ]
    right = sum(one.score > two.score for one, two in verdicts)  # type: ignore[union-attr]
    assert right >= 14 and all(0 < one.score < 1 for pair in verdicts for one in pair)  # type: ignore[union-attr]
    (late,) = reward([Item(sample({}), answer("word " * 3000))])
    assert isinstance(late, Failed) and "longer than" in str(late)


def test_a_folder_that_is_no_reward_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no reward model there"):
        Preference(tmp_path, CPU.device)
    hf.write(decoder(), tiny_tokenizer(), tmp_path / "model")
    (tmp_path / "reward.json").write_text('{"centre": 0}')
    with pytest.raises(InputError, match="head.safetensors: cannot be read"):
        Preference(tmp_path, CPU.device)


@pytest.mark.parametrize(
    ("pairs", "words", "named"),
    [
        ("safety", ["steps=0"], "steps"),
        ("safety", ["steps"], "steps: expected key=value"),
        ("nowhere.jsonl", [], "--pairs nowhere.jsonl: no such file"),
    ],
)
def test_wrong_words_are_one_line(pairs: str, words: list[str], named: str) -> None:
    with pytest.raises(InputError, match=named):
        read(reward_config.RewardModel(), None, words)
        reward_verb.pairs_of(pairs)
