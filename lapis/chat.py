"""The chat template, and the one place that knows it: segments, token ids with training masks, and the Jinja twin.

    [|Human|]:{question}\\n[|AI|]:{answer}</s>                                     without thinking
    [|Human|]:{question}\\n[|AI|]:[|BlueThink|]<think>\\n{thought}</think>{answer}</s>   with it

`[|Human|]:` and `[|AI|]:` are the family's own prompt form. Ours, because the original did not publish it: the place
of `[|BlueThink|]` (directly after `[|AI|]:`), the system and tool roles, and the thinking budget (`{number}\\n`
directly after `[|BlueThink|]`, outside the tokens that a model writes). Each tile of an image is
`<|image_start|>` + its features + `<|image_end|>`, in the place where the image stands in the message.

Text of users can never become a special token: it is encoded with special tokens taken as plain text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tokenizers import AddedToken, pre_tokenizers
from tokenizers import Tokenizer as RawTokenizer

from lapis.types import Image, InputError, Sample, Text, Turn

PAD, END = "<pad>", "</s>"
HUMAN, AI, SYSTEM, TOOL = "[|Human|]:", "[|AI|]:", "[|System|]:", "[|Tool|]:"
THINK_SWITCH, THINK, UNTHINK = "[|BlueThink|]", "<think>", "</think>"
IMAGE_START, IMAGE, IMAGE_END = "<|image_start|>", "<image>", "<|image_end|>"
SPECIALS = (PAD, END, HUMAN, AI, SYSTEM, TOOL, THINK_SWITCH, THINK, UNTHINK, IMAGE_START, IMAGE, IMAGE_END)
HEADS = {"user": HUMAN, "assistant": AI, "system": SYSTEM, "tool": TOOL}
PROBE = "  a (123,045)\n\t中文é"
"""What a byte-level BPE gives back unchanged."""

Tiles = Callable[[Image], int]
"""How many tiles an image becomes."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a rendered conversation: plain text, one special token, or an image."""

    text: str = ""
    special: bool = False
    image: Image | None = None
    trained: bool = False
    """The model learns to write it."""


class Tokenizer:
    """Byte-level BPE with the template's special tokens (a thin wrapper over `tokenizers`)."""

    def __init__(self, raw: RawTokenizer, tokens_per_tile: int):
        self.raw = raw
        self.tokens_per_tile = tokens_per_tile
        self._special = {name: self._id(name) for name in SPECIALS}
        raw.encode_special_tokens = True

    def _id(self, name: str) -> int:
        number = self.raw.token_to_id(name)
        if number is None:
            raise InputError(f"tokenizer: special token {name} is missing")
        return number

    @classmethod
    def load(cls, folder: Path, tokens_per_tile: int) -> Tokenizer:
        """From `tokenizer.json` in a folder. Raises InputError where there is none."""
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise InputError(f"{path}: no tokenizer there")
        return cls(read_tokenizer(path), tokens_per_tile)

    def id(self, special: str) -> int:
        return self._special[special]

    @cached_property
    def size(self) -> int:
        return size_of(self.raw)

    def encode(self, text: str) -> list[int]:
        """Ids of plain text; special tokens written in it stay plain text."""
        return self.raw.encode(text, add_special_tokens=False).ids

    def pieces(self, text: str) -> list[tuple[int, int, int]]:
        """(id, first character, character after its last) of each token that is made of whole characters."""
        found = self.raw.encode(text, add_special_tokens=False)
        ends = zip(found.ids, found.offsets, strict=True)
        return [(token, start, stop) for token, (start, stop) in ends if "\ufffd" not in self.texts[token]]

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """What each token reads as by itself, by id; nothing for a special one."""
        return tuple(self.decode([token]) for token in range(self.size))

    def spelling(self) -> dict[int, tuple[int, ...]]:
        """Ids of a token's characters, spaces left out, for each token whose characters are all tokens themselves; a
        character's own entry is itself alone."""
        texts = dict(enumerate(self.texts))
        alone = {text: token for token, text in texts.items() if len(text) == 1 and text != "\ufffd"}
        known = {token: text.strip() for token, text in texts.items() if all(one in alone for one in text.strip())}
        return {token: tuple(alone[one] for one in text) for token, text in known.items() if text}

    def decode(self, ids: Sequence[int], specials: bool = False) -> str:
        return self.raw.decode(list(ids), skip_special_tokens=not specials)


def read_tokenizer(path: Path) -> RawTokenizer:
    """A `tokenizer.json`. Raises InputError where it is none."""
    try:
        return RawTokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing narrower
        raise InputError(f"{path}: no tokenizer that can be read ({error})") from None


def size_of(raw: RawTokenizer) -> int:
    """Rows that an embedding needs: one more than the largest id."""
    return 1 + max(raw.get_vocab(with_added_tokens=True).values())


def special_tokenizer(folder: Path) -> tuple[RawTokenizer, int]:
    """A public model's tokenizer with those of SPECIALS appended that it lacks, and the first id so appended.

    Raises InputError where there is none, or one that is no byte-level BPE.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise InputError(f"{path}: no tokenizer there")
    raw = read_tokenizer(path)
    missing = set(pre_tokenizers.ByteLevel.alphabet()) - raw.get_vocab().keys()
    if missing or raw.decode(raw.encode(PROBE, add_special_tokens=False).ids) != PROBE:
        raise InputError(f"{path}: no byte-level BPE (as of Qwen and Llama 3), expected one")
    raw.no_truncation()
    raw.no_padding()
    first = size_of(raw)
    raw.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIALS])
    return raw, first


@dataclass(slots=True)
class Encoded:
    """Token ids of one sample, which of them are trained, and its images in order."""

    ids: list[int]
    trained: list[bool]
    """True where the model learns to write this very token."""
    images: list[Image]


def segments(
    turns: Sequence[Turn], think: bool = False, budget: int | None = None, reply: bool = False
) -> Iterator[Segment]:
    """The conversation piece by piece. `reply` leaves the last `[|AI|]:` open for the model to write.

    Only the last assistant turn shows its thought: earlier ones are history, as in Qwen3's template.
    """
    last = len(turns) - 1
    for number, turn in enumerate(turns):
        yield Segment(HEADS[turn.role], special=True)
        if turn.role == "assistant":
            yield from _assistant(turn, think and number == last, budget)
        else:
            yield from _parts(turn)
            yield Segment("\n")
    if reply:
        yield Segment(AI, special=True)
        yield from _switch(think, budget)


def _switch(think: bool, budget: int | None) -> Iterator[Segment]:
    if think:
        yield Segment(THINK_SWITCH, special=True)
        if budget is not None:
            yield Segment(f"{budget}\n")


def _assistant(turn: Turn, think: bool, budget: int | None) -> Iterator[Segment]:
    yield from _switch(think, budget)
    if think:
        yield Segment(THINK, special=True, trained=True)
        yield Segment("\n" + (turn.thought or ""), trained=True)
        yield Segment(UNTHINK, special=True, trained=True)
    yield Segment(turn.text, trained=True)
    yield Segment(END, special=True, trained=True)


def _parts(turn: Turn) -> Iterator[Segment]:
    for part in turn.parts:
        yield Segment(part.text) if isinstance(part, Text) else Segment(image=part)


def encode_segments(pieces: Iterable[Segment], tokenizer: Tokenizer, tiles: Tiles) -> Encoded:
    """Segments as ids; an image becomes its tiles' markers and `<image>` placeholders."""
    out = Encoded([], [], [])
    for piece in _joined(pieces):
        if piece.image is not None:
            ids = image_ids(tokenizer, tiles(piece.image))
            out.images.append(piece.image)
        else:
            ids = [tokenizer.id(piece.text)] if piece.special else tokenizer.encode(piece.text)
        out.ids += ids
        out.trained += [piece.trained] * len(ids)
    return out


def _joined(pieces: Iterable[Segment]) -> Iterator[Segment]:
    """Neighbouring plain texts as one: `?` and the newline behind it may be a single token, as in the Jinja twin."""
    held = None
    for piece in pieces:
        plain = not piece.special and piece.image is None
        if held is not None and plain and piece.trained == held.trained:
            held = Segment(held.text + piece.text, trained=held.trained)
            continue
        if held is not None:
            yield held
        held = piece if plain else None
        if not plain:
            yield piece
    if held is not None:
        yield held


def image_ids(tokenizer: Tokenizer, tiles: int) -> list[int]:
    """Ids of an image of `tiles` tiles: markers around each tile's placeholders."""
    placeholder = [tokenizer.id(IMAGE)] * tokenizer.tokens_per_tile
    return [tokenizer.id(IMAGE_START), *placeholder, tokenizer.id(IMAGE_END)] * tiles


def encode_sample(sample: Sample, tokenizer: Tokenizer, tiles: Tiles) -> Encoded:
    """A training sample's ids and mask: a document is trained whole, a conversation where the assistant speaks."""
    if sample.document:
        ids = [*tokenizer.encode(sample.turns[0].text), tokenizer.id(END)]
        return Encoded(ids, [True] * len(ids), [])
    return encode_segments(segments(sample.turns, sample.think, sample.budget), tokenizer, tiles)


def encode_prompt(
    turns: Sequence[Turn], think: bool, budget: int | None, tokenizer: Tokenizer, tiles: Tiles
) -> Encoded:
    """A prompt that ends where the model begins to write."""
    return encode_segments(segments(turns, think, budget, reply=True), tokenizer, tiles)


def split_answer(ids: Sequence[int], tokenizer: Tokenizer, think: bool) -> tuple[str, str, bool]:
    """(thought, answer, closed) of what a model wrote; an unclosed thought leaves the answer empty."""
    ids = [number for number in ids if number != tokenizer.id(END)]
    close = tokenizer.id(UNTHINK)
    if close in ids:
        at = ids.index(close)
        return tokenizer.decode(ids[:at]).strip("\n"), tokenizer.decode(ids[at + 1 :]), True
    if think or tokenizer.id(THINK) in ids:
        return tokenizer.decode(ids).strip("\n"), "", False
    return "", tokenizer.decode(ids), True


JINJA = """{%- for message in messages -%}
{%- if message.role == 'user' -%}{{ '[|Human|]:' }}
{%- elif message.role == 'system' -%}{{ '[|System|]:' }}
{%- elif message.role == 'tool' -%}{{ '[|Tool|]:' }}
{%- else -%}{{ '[|AI|]:' }}{%- endif -%}
{%- if message.content is string -%}{{ message.content }}
{%- else -%}{%- for part in message.content -%}
{%- if part.type == 'text' -%}{{ part.text }}{%- else -%}{{ '<image>' }}{%- endif -%}
{%- endfor -%}{%- endif -%}
{%- if message.role == 'assistant' -%}{{ '</s>' }}{%- else -%}{{ '\\n' }}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '[|AI|]:' }}
{%- if enable_thinking -%}{{ '[|BlueThink|]' }}
{%- if thinking_token_budget is defined and thinking_token_budget is not none and thinking_token_budget >= 0 -%}
{{ thinking_token_budget ~ '\\n' }}{%- endif -%}{%- endif -%}{%- endif -%}"""
"""The template's twin for stock engines (`chat_template` of the tokenizer config)."""


def tokenizer_config(context: int) -> str:
    """`tokenizer_config.json` that stock transformers reads beside `tokenizer.json`."""
    return json.dumps(
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": context,
            "eos_token": END,
            "pad_token": PAD,
            "additional_special_tokens": [name for name in SPECIALS if name not in (PAD, END)],
            "chat_template": JINJA,
            "clean_up_tokenization_spaces": False,
        },
        indent=2,
    )
