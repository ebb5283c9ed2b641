"""The step that trains the tokenizer, or takes that of the run's weights, and what it is trained on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lapis import chat, files, hub
from lapis.data import store, tokenise
from lapis.data.corpus import engine
from lapis.data.gather import Stage, limits
from lapis.data.screens import render, words
from lapis.data.synth import questions, screen_act

CORPUS = "corpus"
"""Folder of the data engine, whose partitions are read."""
CHARACTERS = 6_000_000
"""Most characters of prose and sources that the tokenizer is trained on."""
CORPUS_QUESTIONS, CORPUS_SCREENS, WORD_REPEATS, CHARACTER_REPEATS = 6000, 48, 30, 1000
"""Questions and screens that the tokenizer is trained on, and how often it reads screens' words and characters: what a
patch shows can only be named by a token of its own."""


def make_tokenizer(stage: Stage) -> dict[str, Any]:
    """Train the tokenizer on prose, questions and the words of some screens, or take that of the run's weights."""
    recipe = stage.recipe
    trained = (
        _taken(stage)
        if recipe.start
        else tokenise.train_tokenizer(
            _corpus(stage),
            recipe.data.vocab,
            stage.out / "tokenizer",
            recipe.model.tokens_per_tile,
            recipe.data.token_bytes,
        )
    )
    (stage.out / "tokenizer" / "tokenizer_config.json").write_text(
        chat.tokenizer_config(recipe.model.decoder.max_positions), encoding="utf-8"
    )
    return {"vocab": trained.size}


def _taken(stage: Stage) -> chat.Tokenizer:
    raw, _ = chat.special_tokenizer(hub.folder_of(stage.recipe.start, hub.WORDS))
    with files.beside(stage.out / "tokenizer" / "tokenizer.json") as part:
        raw.save(str(part))
    return stage.tokenizer()


def _corpus(stage: Stage) -> Iterator[str]:
    data = stage.recipe.data
    share = CHARACTERS // (data.made + len(data.sources))
    for name in data.sources:
        yield from engine.texts(stage.out / CORPUS, name, share)
    if data.made:
        yield from _made(stage, share)


def _made(stage: Stage, most: int) -> Iterator[str]:
    size = 0
    for text in store.read_column(stage.samples / "prose.parquet", "text"):
        size += len(text)
        if size > most:
            break
        yield text
    recipe = stage.recipe
    for sample in questions.generate(min(CORPUS_QUESTIONS, recipe.data.questions), recipe.seed + 1, "train"):
        yield "\n".join(f"{turn.text}\n{turn.thought or ''}" for turn in sample.turns)
    yield from _interface_words(recipe.data.han)
    count = min(CORPUS_SCREENS, recipe.data.screens)
    for screen in render.render(count, recipe.seed + 1, "train", recipe.data.workers, limits=limits(recipe.data)):
        yield " ".join(word[0] for word in screen.words)
        yield from screen_act.texts(screen)


def _interface_words(han: int) -> Iterator[str]:
    """The words that training screens are drawn from, and every character often enough to be a token."""
    for lang in ("en", "zh"):
        for topic in words.TOPICS:
            yield from ["\n".join(words.pool(lang, topic, False, han))] * WORD_REPEATS
        yield from ["\n".join(words.characters(lang, han))] * CHARACTER_REPEATS
