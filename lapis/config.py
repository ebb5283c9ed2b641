"""Recipes as frozen dataclasses: what a run is made of, its ranges, and `key=value` overrides.

A field is documented by the string under it, and its range is part of its type (`Annotated[int, Ge(1)]`), so that a
wrong value is refused with one line before any work. Recipes themselves are functions in `lapis/recipes/`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import Discriminator

from lapis.data_config.corpus import Classifiers, Corpus, Evaluations, Near, Photos, Reader, Source
from lapis.data_config.judge import Select
from lapis.data_config.long import Long
from lapis.data_config.sets import RunSets
from lapis.machines import Cache, Dist, Floor
from lapis.overrides import assign, check, flat
from lapis.reward_config import Reward, Rewards
from lapis.rl_fleet import Fleet, Ray
from lapis.shape import (
    Adapter,
    AnyRes,
    Count,
    Decoder,
    Llama3,
    Model,
    Positive,
    Rate,
    Share,
    ViT,
    Yarn,
    decoder_of,
    tile_tokens,
)
from lapis.types import InputError

__all__ = ["Adapter", "AnyRes", "Cache", "Decoder", "Dist", "Floor", "Llama3", "Long", "Model", "ViT", "Yarn"]
__all__ += ["Classifiers", "Corpus", "Evaluations", "Near", "Photos", "Reader", "Reward", "Rewards", "RunSets"]
__all__ += ["Select", "Source", "check", "decoder_of", "flat", "tile_tokens"]

Part = Literal["vit", "adapter", "decoder"]


@dataclass(frozen=True, slots=True)
class Optim:
    """AdamW and its schedule. Rates are peaks; each group keeps its ratio while the schedule scales all of them."""

    lr: Rate = 1e-3
    """Decoder's peak learning rate."""
    lr_vit: Rate = 1e-3
    """Peak rate of the ViT's last layer."""
    lr_adapter: Rate = 1e-3
    vit_layer_decay: Annotated[float, Gt(0), Le(1)] = 1.0
    """Factor per ViT layer from the last down to the embedding (0.9 in the predecessor)."""
    beta1: Share = 0.9
    beta2: Share = 0.98
    eps: Annotated[float, Gt(0)] = 1e-8
    weight_decay: Rate = 0.05
    """On matrices only; norms, biases, embeddings of positions have none."""
    muon: Rate = 0.0
    """Muon takes the hidden matrices at so many times their part's rate; 0 leaves all to AdamW."""
    clip: Annotated[float, Gt(0)] = 1.0
    """Largest global gradient norm."""
    warmup: Share = 0.03
    """Share of the stage's steps with a rising rate."""
    start: Share = 1.0
    """Schedule factor after the warm-up: where the plan over all stages stands when this one begins."""
    end: Share = 0.1
    """Schedule factor at the last step; cosine from `start`. One plan over several stages chains start and end."""


@dataclass(frozen=True, slots=True)
class Pack:
    """How samples become rows of a step."""

    row_tokens: Positive = 512
    """Length of a row; a longer sample is cut (documents) or left out and counted (conversations)."""
    rows: Positive = 8
    """Rows of a global step."""
    tiles: Count = 24
    """Most tiles of a global step; rows are filled under both budgets."""


@dataclass(frozen=True, slots=True)
class Distil:
    """Logit distillation from a teacher stage (forward KL on the teacher's softmax; Minitron, arXiv 2407.14679)."""

    teacher: str
    """Stage whose model teaches."""
    weight: Share = 1.0
    """Share of the KL in the loss; the rest is cross-entropy."""
    temperature: Annotated[float, Gt(0)] = 1.0
    chunk: Positive = 1024
    """Target tokens whose logits are held at once."""


@dataclass(frozen=True, slots=True)
class Online:
    """Evaluation beside training, by a process of low priority with one thread on snapshots of the weights.

    It takes what training leaves of the CPU; a snapshot that is still waiting is replaced by a newer one.
    """

    tasks: tuple[str, ...] = ()
    """What is asked: a held-out set and a mode, such as `math/think`; none switches it off."""
    every: Positive = 150
    """Steps between snapshots; one more is taken at the last step."""
    samples: Positive = 24
    """Held-out samples of a task."""
    wait: Annotated[float, Ge(0)] = 30.0
    """Seconds that the stage's end waits for the last snapshot; what takes longer is dropped."""


@dataclass(frozen=True, slots=True)
class Train:
    """One training stage. Stages differ by these values, never by code."""

    name: str
    parent: str | None
    """Stage whose model this one starts from; None starts from fresh weights."""
    mixture: dict[str, Rate]
    """Sample kind prefix to weight; weights are shares of samples drawn."""
    steps: Count
    pack: Pack
    optim: Optim = field(default_factory=Optim)
    shape: Literal["teacher", "student", "full"] = "full"
    """Which network of the recipe a stage without parent builds: the text teacher, the text student, all parts."""
    trains: tuple[Part, ...] = ("vit", "adapter", "decoder")
    distil: Distil | None = None
    lm_weight: Rate = 1.0
    """Weight of the next-token loss; 0 leaves the decoder out of the step (ViT warm-up)."""
    cell_weight: Rate = 0.0
    """Weight of the dense text loss on image tokens (ours: see lapis/train/loss.py)."""
    patch_weight: Rate = 0.0
    """Weight of the same loss on every patch by itself (ours: more labels, and none of them ambiguous)."""
    place_weight: Rate = 0.0
    """Weight of the loss that keeps an image token's place in its tile readable (ours)."""
    number_weight: Rate = 0.0
    """Weight of the loss that has an image token say the number that begins in it (ours: lapis/train/numbers.py)."""
    look_weight: Rate = 0.0
    """Weight of the losses on where heads look when an answer points or copies (ours: see lapis/train/look.py)."""
    yarn: Yarn | None = None
    """Positions are switched from RoPE to YaRN when the stage begins."""
    epochs: dict[str, Positive] = field(default_factory=dict)
    """Kind prefix to the most passes over its samples (SFT: 3 of ordinary, 9 of long thoughts)."""
    eval_every: Count = 0
    """Steps between held-out losses while training; 0 measures at the end only."""
    watch_every: Count = 20
    """Steps between measurements of norms by module; 0 measures none."""
    online: Online = field(default_factory=Online)
    checkpoint_every: Positive = 100
    """Steps between training checkpoints."""
    spike: Rate = 30.0
    """Typical deviations above the usual loss from which on a step is not taken; 0 takes all."""
    minutes: Rate = 0.0
    """Rough wall time on the reference machine, for the progress bar before the first steps are timed."""
    op: Literal["train"] = "train"


@dataclass(frozen=True, slots=True)
class Prune:
    """Cut a trained decoder to the student's shape by activation importance (Minitron, arXiv 2407.14679)."""

    name: str
    parent: str
    samples: Positive = 64
    """Calibration rows."""
    row_tokens: Positive = 512
    minutes: Rate = 0.1
    op: Literal["prune"] = "prune"


@dataclass(frozen=True, slots=True)
class Join:
    """Put a text stage's decoder into a whole model with a fresh adapter."""

    name: str
    parent: str
    vision: str = ""
    """Folder or hub repository of the SigLIP(2) tower to begin with; empty draws a fresh ViT."""
    minutes: Rate = 0.05
    op: Literal["join"] = "join"


@dataclass(frozen=True, slots=True)
class Start:
    """Weights of `Recipe.start` as the model that later stages descend from."""

    name: str
    vision: str = ""
    """Folder or hub repository of the SigLIP(2) tower that a text decoder gets, with a fresh adapter."""
    minutes: Rate = 0.1
    op: Literal["start"] = "start"


@dataclass(frozen=True, slots=True)
class RL:
    """GRPO (arXiv 2402.03300) with DAPO's token-level loss and asymmetric clipping (arXiv 2503.14476)."""

    name: str
    parent: str
    mixture: dict[str, Rate]
    steps: Count
    prompts: Positive = 8
    """Groups of a step."""
    group: Annotated[int, Ge(2)] = 8
    """Answers sampled for a prompt."""
    max_tokens: Positive = 256
    """Of an answer; the engine ends thoughts within its last tokens, so it must leave room for the longest."""
    temperature: Annotated[float, Gt(0)] = 1.0
    updates: Positive = 1
    """Optimizer updates of a step, each from its share of the answers."""
    clip_low: Share = 0.2
    """Ratios of later updates to the weights that answered are clipped outside 1 - low to 1 + high."""
    clip_high: Share = 0.28
    kl: Rate = 0.0
    """Weight of the k3 KL estimate against the starting model."""
    is_cap: Annotated[float, Ge(1)] = 2.0
    """Cap of the truncated importance weight between engine and trainer."""
    refill: Count = 2
    """Times that groups all right or all wrong are drawn again in a step."""
    hard: Share = 0.0
    """Share of questions drawn by how often they were answered wrongly before (lapis/rl/choose.py)."""
    optim: Optim = field(default_factory=lambda: Optim(lr=4e-5, weight_decay=0.0, warmup=0.1))
    reward: Reward = field(default_factory=Reward)
    rewards: Rewards = field(default_factory=Rewards)
    """Who judges, and what happens where nobody can."""
    row_tokens: Positive = 1024
    held_out: Positive = 200
    """Held-out prompts for the before and after figures."""
    held_samples: Positive = 4
    """Answers to each of them, at the temperature of the rollouts: what the stage raises. Greedy ones stand beside."""
    checkpoint_every: Positive = 5
    fleet: Fleet = field(default_factory=Fleet)
    minutes: Rate = 0.0
    op: Literal["rl"] = "rl"


Entry = Train | Prune | Join | Start | RL
"""What a recipe's stages are."""


@dataclass(frozen=True, slots=True)
class Data:
    """What the data stage gathers and makes. Counts are samples."""

    name: str = "data"
    vocab: Positive = 4096
    token_bytes: Positive = 32
    """Longest token in bytes. Short ones (4) make words on screens share parts, which a small ViT can tell apart."""
    prose_mb: Annotated[float, Gt(0)] = 8.0
    """Most megabytes of prose kept per language."""
    packages: bool = True
    """Fetch documentation packages through apt where it works."""
    texts: str = ""
    """Folder of the user's own UTF-8 `.txt` and `.md` files, added to the prose; empty names none."""
    sources: dict[str, Source] = field(default_factory=dict)
    """Name to a source of the user's own, whose samples are cleaned, deduplicated and added (lapis/data/corpus)."""
    corpus: Corpus = field(default_factory=Corpus)
    """What the samples of sources are held to."""
    made: bool = True
    """Gather and make everything below as well; false takes nothing but the sources."""
    runner: Literal["native", "ray"] = "native"
    """Where Daft runs the work on sources: processes of this machine, or the Ray cluster that it is on."""
    handlers: dict[str, str] = field(default_factory=dict)
    """Kind to the user's own generator of its samples, `package.module:function` (lapis/data/handlers.py)."""
    screens: Positive = 10000
    """Rendered training screens."""
    difficulty: Share = 1.0
    """Hardest look of a screen, held-out ones included: 0 is text of 18 px and few elements, 1 text down to 11 px."""
    han: Count = 0
    """Chinese characters that the words of screens and pages are written with, the commonest first; 0 for all."""
    pages: Count = 0
    """Rendered pages of dense text, for a ViT that starts from nothing."""
    held_screens: Positive = 400
    """Rendered screens of each held-out set."""
    questions: Positive = 40000
    """Generated training questions."""
    held_questions: Positive = 400
    """Held-out questions of each kind."""
    fresh: Positive = 1000
    """Rendered screens, and as many questions, that only RL asks."""
    captions: Count = 600
    """Most figure-caption pairs."""
    needles: Count = 500
    """Documents with a hidden fact, of several lengths up to the longest row; a tenth as many are held out."""
    long: Long = field(default_factory=Long)
    """Long documents of other kinds."""
    kit_pages: Count = 0
    """Pages for phones drawn with UI kits, up to two screens each: with the kits that `lapis data screens` has fetched,
    or with our plain one."""
    sets: RunSets = field(default_factory=RunSets)
    """SFT and RL sets that the run makes or takes."""
    workers: Positive = 2
    """Processes that render, generate and work on sources."""
    shards: str = ""
    """Folder or URL (s3://bucket/path) of shards to train on, by this run's tokenizer; empty takes its own."""
    minutes: Rate = 4.0


@dataclass(frozen=True, slots=True)
class Eval:
    """Which model is measured, and on how much."""

    name: str = "eval"
    parent: str = "rl"
    samples: Positive = 300
    """Held-out samples per task."""
    budgets: Annotated[tuple[Count, ...], MinLen(1)] = (0, 8, 16, 32, 64, 96, 128, 192)
    """Thinking budgets of the curve, in tokens."""
    max_tokens: Positive = 256
    pictures: Positive = 12
    """Grounding pictures in the report."""
    screenspot: str = ""
    """Folder with ScreenSpot v1, v2 or Pro as published; empty writes some held-out screens in their forms."""
    minutes: Rate = 2.0


@dataclass(frozen=True, slots=True)
class Export:
    """Hugging Face folder of the final model."""

    name: str = "export"
    parent: str = "rl"
    minutes: Rate = 0.1


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that a run does, in order."""

    name: str
    model: Model
    teacher: Decoder
    """The text teacher's shape."""
    data: Data
    stages: tuple[Annotated[Entry, Discriminator("op")], ...]
    eval: Eval
    export: Export
    start: str = ""
    """Folder or hub repository of the weights and the tokenizer that the run begins with: a Qwen2, 2.5, 3 or Llama
    decoder, or a model of `lapis init` or of another run. Empty begins from nothing. `model` has its shape."""
    seed: Count = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "bf16", "fp32"] = "auto"
    """auto: bf16 on a GPU or on a CPU with bf16 instructions, fp32 elsewhere."""
    threads: Count = 0
    """Threads of the trainer; 0 takes all cores."""
    compile: bool = False
    """torch.compile the training step."""
    dist: Dist = field(default_factory=Dist)
    cache: Cache = field(default_factory=Cache)
    ray: Ray = field(default_factory=Ray)


def resolve(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
    """Apply `key=value` strings (`stages.sft.steps=10`, `data.screens=200`) and check every range.

    Raises InputError with one line for a word without `=`, an unknown key or a value out of range.
    """
    tree = dataclasses.asdict(recipe)
    for word in overrides:
        path, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"{word}: expected key=value")
        assign(tree, path, value)
    return check(Recipe, tree)


def load(text: str) -> Recipe:
    """A resolved recipe back from the JSON that `dump` wrote."""
    return check(Recipe, json.loads(text))


def dump(value: Any) -> str:
    """A config dataclass as JSON, in the order of its fields, and of a mixture's kinds, which are drawn in it."""
    return json.dumps(dataclasses.asdict(value), indent=2, ensure_ascii=False)
