"""The values that cross folder borders: samples before tokenisation, packed batches after it.

Shape legend: B rows, T tokens of a row, V image tokens in the batch, N tiles, S pixels of a tile's side,
K labels of an image token, L looks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

IGNORE = -100
"""Target value that no loss counts (PyTorch's own default for `ignore_index`)."""
PATCH_LABELS = 4
"""Patches of an image token: the first so many of its labels are their characters."""
NUMBER_LABELS = 3
"""Digits of the number that begins in an image token: so many of its labels after those."""


class InputError(Exception):
    """The user's input is wrong. `cli` prints the message as one line and exits with code 2."""


@dataclass(frozen=True, slots=True)
class Text:
    """A run of plain text inside a message."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """An encoded picture (PNG, JPEG or WebP) inside a message; decoded only where its pixels are needed."""

    data: bytes
    width: int
    """Pixels, before any resizing."""
    height: int
    """Pixels, before any resizing."""


Part = Text | Image


@dataclass(frozen=True, slots=True)
class Turn:
    """One message. `role` is system, user, assistant or tool; `thought` is an assistant's reasoning, if any."""

    role: str
    parts: tuple[Part, ...]
    thought: str | None = None

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def images(self) -> tuple[Image, ...]:
        return tuple(part for part in self.parts if isinstance(part, Image))


KINDS = (
    "prose", "caption", "screen/ocr", "screen/ground", "screen/qa", "screen/describe", "screen/page", "screen/told",
    "screen/list", "screen/math", "screen/act", "math/arith", "math/word", "math/logic", "math/digit", "math/read",
    "math/told", "long/needle", "long/hop", "long/order", "long/count", "long/screens", "long/joined",
    "instructions",
)  # fmt: skip
"""Every kind of sample that the data stage makes to train on; `instructions` are asked by RL alone."""
TOLD = ("prose", "caption", "chat", "screen/ground")
"""Kinds of a source's records by what they are: a text, a captioned picture, a conversation, places on a screen."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One conversation, or one document (`turns` holds a single assistant turn and `document` is true).

    `kind` is a slash path (one of KINDS in training) whose beginning picks the mixture weight.
    """

    kind: str
    lang: str
    """BCP 47 language: en or zh."""
    source: str
    """Where it came from: a package and file, a generator and seed."""
    licence: str
    """SPDX identifier, or the package's own licence file name."""
    turns: tuple[Turn, ...]
    document: bool = False
    """Plain text to continue, without the chat template."""
    think: bool = False
    """The assistant's thought is shown and trained (`[|BlueThink|]` in the prompt)."""
    budget: int | None = None
    """Thinking-token budget written into the prompt, in tokens; None writes none."""
    cells: tuple[Mapping[str, Any], ...] = ()
    """One dict an image: `words`, a list of (text, x, y, w, h) in pixels of that image, for dense labels."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """What a task needs to check an answer: `answer`, `box` (x, y, w, h in 0-1000), who checks it (`verifier` or
    `reward`), `template`, `seed`; and `boxes`, the box of each point that a conversation writes."""

    @property
    def images(self) -> tuple[Image, ...]:
        return tuple(image for turn in self.turns for image in turn.images)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over roles, texts, thoughts and image bytes; equal samples have equal fingerprints."""
        digest = hashlib.sha256()
        for turn in self.turns:
            digest.update(f"\0{turn.role}\0{turn.thought}\0".encode())
            for part in turn.parts:
                digest.update(part.text.encode() if isinstance(part, Text) else part.data)
        return digest.hexdigest()


@dataclass(slots=True)
class Batch:
    """Packed rows, ready for a model. Documents are kept apart by `documents_BT`, positions restart in each."""

    tokens_BT: torch.Tensor
    """int64; image tokens stand as the tokenizer's `<image>` id."""
    targets_BT: torch.Tensor
    """int64; the token that position t must predict (already shifted), or IGNORE."""
    weights_BT: torch.Tensor
    """float32; weight of each target in the loss."""
    documents_BT: torch.Tensor
    """int32; number of the document within its row, -1 on padding."""
    positions_BT: torch.Tensor
    """int64; position within the document."""
    kinds_BT: torch.Tensor
    """int16; index into `kinds` of each token's sample."""
    kinds: tuple[str, ...]
    tiles_NSS3: torch.Tensor
    """uint8; every tile of the batch in order of appearance (row-major over B, T). May have N = 0."""
    cells_VK: torch.Tensor
    """int64; of each image token the characters of its PATCH_LABELS patches, then the NUMBER_LABELS digits of the
    number that begins in it (data/labels.py), then tokens of the text over it; IGNORE where there is none.
    V = N x tokens a tile."""
    looks_L5: torch.Tensor
    """int64; row, position of a token that looks, position of one that it may look at, and the point that it means, x
    and y in thousandths of the picture, or what kind of look it is and the number that is read (data/looks.py)."""

    def to(self, device: torch.device | str) -> Batch:
        moved = {name: value.to(device) for name, value in self.items() if name != "kinds"}
        return Batch(**moved, kinds=self.kinds)

    def items(self) -> Iterator[tuple[str, Any]]:
        return ((name, getattr(self, name)) for name in self.__slots__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verifier's or reward model's score of one answer, with its reason."""

    score: float
    """0 is wrong, 1 is right; rewards may leave that range."""
    reason: str


@dataclass(frozen=True, slots=True)
class Request:
    """One generation request to an engine."""

    turns: tuple[Turn, ...]
    think: bool = False
    budget: int = -1
    """Most tokens of thought; -1 is unlimited, 0 closes at once (vLLM's `thinking_token_budget`)."""
    show_budget: bool = False
    """Write the budget into the prompt, as trained."""
    max_tokens: int = 128
    """Most tokens of thought and answer together."""
    reserve: int = 32
    """Tokens of `max_tokens` that the thought may never take, so that an answer follows."""
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    """Tokens below this share of the likeliest one's probability are left out; 0 leaves none out."""
    presence_penalty: float = 0.0
    """Taken once from the logit of each token that the reply holds already."""
    frequency_penalty: float = 0.0
    """Taken from the logit of each token as often as the reply holds it."""
    repetition_penalty: float = 1.0
    """Divides the positive, multiplies the negative logits of tokens that prompt or reply hold already (CTRL)."""
    seed: int = 0
    stop: tuple[str, ...] = ()
    """Strings of which the first one in the answer ends it, itself left out; a thought may hold them."""
    top_logprobs: int = 0
    """How many likeliest tokens are told beside each written one."""
    schema: str = ""
    """JSON schema, as text, that the answer must be valid under; empty for free text."""
    grace: float = 0.1
    """Share of the budget at its end in which the thought stops at the next sentence end."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What an engine wrote for one request."""

    text: str
    """The answer, without thought and special tokens."""
    thought: str
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Natural log-probability of each token under the sampling weights at temperature 1."""
    forced: tuple[bool, ...]
    """True where the budget machine wrote the token instead of the model."""
    thought_tokens: int
    finish: str
    """stop, length or cancelled."""
    closed: bool
    """No thought was open at the end."""
    top_logprobs: tuple[tuple[tuple[int, float], ...], ...] = ()
    """Of each token the likeliest ones in its place, (id, log-probability), where the request asked for them."""
    shared_tokens: int = field(default=0, compare=False)
    """Tokens of the prompt that were not computed for this request, but taken from another one's."""


class Generator(Protocol):
    """What evaluation and RL need of an engine."""

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """Answers in the order of the requests."""
        ...


class Scorer(Protocol):
    """What steps of data need of a model that reads samples."""

    def losses(self, samples: Sequence[Sample], images: bool = True) -> list[float]:
        """Mean nats of each sample's trained tokens, given all before; without `images` only the text is shown."""
        ...


class Embedder(Protocol):
    """What the data stage needs of a model to find photographs that look alike."""

    def embed(self, images: Sequence[bytes]) -> Any:
        """Unit vectors [N, D], float32, of encoded pictures in their order."""
        ...


class Progress(Protocol):
    """Where long work reports how far it is."""

    def advance(self, steps: int = 1, note: str = "") -> None: ...


class Silent:
    """Progress that nobody watches."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        pass
