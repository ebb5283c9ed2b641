"""The steps of the data stage that make samples: prose, captions, tokenizer, screens, questions, needles.

Every step writes its files beside and renames them, and returns its counts. What is held out is drawn by documents:
all of a source file's samples are on one side.
"""

from __future__ import annotations

import hashlib
import math
import random
import textwrap
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from lapis import chat, config, files
from lapis.data import dedup, store
from lapis.data.screens import render, tasks
from lapis.data.screens.compose import Limits, Split
from lapis.data.screens.page import Screen
from lapis.data.sources import captions, packages, prose
from lapis.data.steps import quality
from lapis.data.synth import needles, questions, screen_act, screen_math
from lapis.data_config.judge import PAGES
from lapis.types import Embedder, Progress, Sample

HELD_PROSE, HELD_CAPTIONS = 0.02, 0.1
"""Shares of source files that are held out."""
SURPLUS = 1.6
"""Prose is parsed until this many times the wanted bytes of both languages, because some is dropped."""
CHUNK = 1000
"""Screens of one file: what a killed run renders again at most."""
EXAMPLES = 5
"""Dropped documents shown per reason."""
NEEDLE_LONGEST, NEEDLE_LEAST = 0.9, 200
"""The longest documents, as a share of the longest row; and the fewest tokens, to which they are halved."""
FRESH_SEED = 2
"""Added to the run's seed for RL's questions; the tokenizer's have one."""
NEEDLE_TEXTS = 500
"""Documents that long ones are made of: enough to vary, few enough to measure all of them."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What every step needs."""

    recipe: config.Recipe
    out: Path
    progress: Progress
    cache: Path
    """Where packages are kept between runs."""
    embedder: Embedder | None = None

    @property
    def samples(self) -> Path:
        return self.out / "samples"

    @property
    def held(self) -> Path:
        return self.out / "heldout"

    @property
    def fresh(self) -> Path:
        return self.out / "fresh"

    def tokenizer(self) -> chat.Tokenizer:
        return chat.Tokenizer.load(self.out / "tokenizer", self.recipe.model.tokens_per_tile)

    def count(self) -> Callable[[str], int]:
        """Tokens of a text."""
        encode = self.tokenizer().encode
        return lambda text: len(encode(text))


def fraction(text: str, salt: str) -> float:
    """A number in [0, 1) that depends on the text alone: draws documents without any order."""
    digest = hashlib.blake2b(f"{salt}\0{text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def hold_out(samples: list[Sample], share: float) -> tuple[list[Sample], list[Sample]]:
    """(taught, held out): a share of the source files, but at least one of each language that has two."""
    sources: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        sources[sample.lang].add(sample.source)
    held: set[str] = set()
    for names in sources.values():
        order = sorted(names, key=lambda name: fraction(name, "held"))
        held.update(order[: min(math.ceil(share * len(order)), len(order) - 1)])
    return [one for one in samples if one.source not in held], [one for one in samples if one.source in held]


def make_prose(stage: Stage) -> dict[str, Any]:
    """Parse, judge, deduplicate, cut to the wanted size, hold out."""
    data = stage.recipe.data
    found, notes = _packages(stage)
    raw = stage.out / "steps" / "prose.parquet"
    store.write_samples(raw, _enough(_parsed(data, found), data.prose_mb * 1e6 * SURPLUS))
    dropped = judge(raw, stage.samples / "dropped.json")
    kept = [sample for sample in store.read_samples(raw) if sample.fingerprint not in dropped]
    chosen = _cap(kept, data.prose_mb * 1e6)
    taught, held = hold_out(chosen, HELD_PROSE)
    store.write_samples(stage.samples / "prose.parquet", taught)
    store.write_samples(stage.held / "prose.parquet", held)
    raw.unlink()
    if not any(sample.lang == "zh" for sample in taught):
        notes.append("no Chinese prose: Chinese text is that of questions and screens only")
    return {"dropped": dict(Counter(dropped.values())), "notes": notes}


def _packages(stage: Stage) -> tuple[list[packages.Package], list[str]]:
    if not stage.recipe.data.packages:
        return [], ["packages are off in this recipe: Python's own documentation only"]
    found, notes = _fetched(stage.cache)
    return found, [*notes]


@cache
def _fetched(where: Path) -> tuple[list[packages.Package], list[str]]:
    """Asked for once: without a network every further try would wait for nothing."""
    return packages.fetch(where)


def _parsed(data: config.Data, found: list[packages.Package]) -> Generator[Sample, None, None]:
    if data.texts:
        yield from prose.folder_prose(Path(data.texts))
    yield from prose.topics_prose()
    jobs = [*prose.python_jobs(), *(job for package in found for job in prose.package_jobs(package))]
    jobs.sort(key=lambda job: fraction(f"{job.origin} {job.paths[0].name}", "jobs"))
    yield from prose.parse(jobs, data.workers)


def _enough(samples: Generator[Sample, None, None], wanted: float) -> Iterator[Sample]:
    """Samples, each once, until both languages have the wanted bytes; a language that has them takes no more."""
    sizes = {"en": 0, "zh": 0}
    seen: set[str] = set()
    for sample in samples:
        if sizes[sample.lang] < wanted and sample.fingerprint not in seen:
            seen.add(sample.fingerprint)
            sizes[sample.lang] += len(sample.turns[0].text.encode())
            yield sample
        if min(sizes.values()) >= wanted:
            break
    samples.close()


def judge(path: Path, report: Path) -> dict[str, str]:
    """Why each dropped sample of a file is dropped, by id; counts and examples per reason go to `report`."""
    import daft

    columns = ("id", "key", "lang", "text", "source")
    rows = daft.read_parquet(str(path)).select(*columns).to_arrow()
    frame = daft.from_arrow(rows.append_column("reason", quality.judge(rows, PAGES)))
    good = frame.where(daft.col("reason").is_null())
    judged = frame.where(daft.col("reason").not_null()).select("id", "reason").to_pydict()
    dropped = dict(zip(judged["id"], judged["reason"], strict=True))
    dropped |= dict.fromkeys(dedup.near(good), "near copy") | dict.fromkeys(dedup.exact(good), "exact copy")
    shown = frame.select("id", "source", "text").where(daft.col("id").is_in(list(dropped) or [""])).to_pydict()
    _report(report, dropped, zip(shown["id"], shown["source"], shown["text"], strict=True))
    return dropped


def _report(path: Path, dropped: dict[str, str], shown: Iterable[tuple[str, str, str]]) -> None:
    examples: dict[str, list[dict[str, str]]] = defaultdict(list)
    for name, source, text in sorted(shown):
        if len(examples[dropped[name]]) < EXAMPLES:
            examples[dropped[name]].append({"source": source, "text": text[:200]})
    counts = Counter(dropped.values())
    told = {reason: {"count": counts[reason], "examples": examples[reason]} for reason in sorted(counts)}
    files.write_json(path, told)


def _cap(samples: list[Sample], most: float) -> list[Sample]:
    """At most so many bytes per language, whole files in an order that mixes the sources."""
    sizes: Counter[str] = Counter()
    chosen = []
    for sample in sorted(samples, key=lambda sample: (fraction(sample.source, "cap"), sample.fingerprint)):
        sizes[sample.lang] += len(sample.turns[0].text.encode())
        if sizes[sample.lang] <= most:
            chosen.append(sample)
    return chosen


def make_captions(stage: Stage) -> dict[str, Any]:
    """Figures and captions; a tenth of the pages is held out."""
    found, notes = _packages(stage)
    made = list(captions.captions(found, stage.recipe.data.captions))
    taught, held = hold_out(made, HELD_CAPTIONS)
    store.write_samples(stage.samples / "captions.parquet", taught)
    store.write_samples(stage.held / "caption.parquet", held)
    return {"notes": notes if not made else []}


def limits(data: config.Data) -> Limits:
    """What the screens of a recipe may hold."""
    return Limits(data.difficulty, data.han)


def make_screens(stage: Stage) -> dict[str, Any]:
    """Render the training screens."""
    data = stage.recipe.data
    count = stage.count()
    _rendered(stage, "screens", data.screens, "train", lambda shown: screen_samples(shown, stage.recipe.seed, count))
    return {"screens": data.screens}


def make_pages(stage: Stage) -> dict[str, Any]:
    """Render the pages of dense text."""
    _rendered(stage, "pages", stage.recipe.data.pages, "pages", lambda shown: _page_samples(shown, stage.recipe.seed))
    return {"pages": stage.recipe.data.pages}


def _rendered(
    stage: Stage, name: str, total: int, split: Split, sampled: Callable[[Iterable[Screen]], Iterator[Sample]]
) -> None:
    """Samples of rendered screens in files of CHUNK, each kept when the run is cut."""
    data = stage.recipe.data
    for start in range(0, total, CHUNK):
        path = stage.samples / f"{name}-{start // CHUNK:04d}.parquet"
        many = min(CHUNK, total - start)
        if path.is_file():
            stage.progress.advance(many)
            continue
        shown = render.render(many, stage.recipe.seed, split, data.workers, stage.progress, limits(data), start=start)
        store.write_samples(path, sampled(shown))


def _page_samples(pages: Iterable[Screen], seed: int) -> Iterator[Sample]:
    for page in pages:
        yield from tasks.samples(page, random.Random(f"tasks {seed} {page.split} {page.index}"), ("page",))


def screen_samples(screens: Iterable[Screen], seed: int, count: Callable[[str], int]) -> Iterator[Sample]:
    """All samples of each screen, drawn by the screen's own number."""
    for screen in screens:
        rng = random.Random(f"tasks {seed} {screen.split} {screen.index}")
        yield from tasks.samples(screen, rng)
        yield from screen_math.questions(screen, rng, tokens=count)
        yield from screen_math.told(screen, rng, count)
        yield from screen_math.listed(screen, rng)
        yield from screen_act.conversation(screen, rng)


def make_held_screens(stage: Stage) -> dict[str, Any]:
    """Render both held-out sets: an exact grounding question, a goal and questions about numbers a screen, and of seen
    templates also one exact question about the screen."""
    data = stage.recipe.data
    for split in ("seen", "unseen"):
        shown = render.render(data.held_screens, stage.recipe.seed, split, data.workers, stage.progress, limits(data))
        made = _held_samples(shown, stage.recipe.seed, stage.count())
        for name in ("ground", "screen_math", "act"):
            store.write_samples(stage.held / f"{name}_{split}.parquet", made[name])
        if split == "seen":
            store.write_samples(stage.held / "screen_qa.parquet", made["qa"])
    return {"screens": 2 * data.held_screens}


def _held_samples(screens: Iterable[Screen], seed: int, count: Callable[[str], int]) -> dict[str, list[Sample]]:
    made: dict[str, list[Sample]] = {"ground": [], "qa": [], "screen_math": [], "act": []}
    for screen in screens:
        rng = random.Random(f"tasks {seed} {screen.split} {screen.index}")
        for kind in ("ground", "qa"):
            asked = tasks.single(screen, rng, kind)
            made[kind] += [asked] if asked else []
        made["screen_math"] += screen_math.questions(screen, rng, tokens=count)
        made["act"] += [goal] if (goal := screen_act.single(screen, rng)) else []
    return made


def make_questions(stage: Stage) -> dict[str, Any]:
    """Training questions, and the held-out ones with their own numbers, sentences and lengths."""
    recipe, count = stage.recipe, stage.count()
    taught = questions.generate(recipe.data.questions, recipe.seed, "train", count)
    store.write_samples(stage.samples / "questions.parquet", _counted(taught, stage.progress))
    many = recipe.data.held_questions * len(questions.HELD_KINDS)
    held = questions.generate(many, recipe.seed, "held", count)
    return {"held": store.write_samples(stage.held / "math.parquet", held)}


def make_fresh(stage: Stage) -> dict[str, Any]:
    """What RL asks and no stage before it has read: the screens after training's last one, and further questions."""
    recipe, count = stage.recipe, stage.count()
    data, start = recipe.data, recipe.data.screens
    shown = render.render(data.fresh, recipe.seed, "train", data.workers, stage.progress, limits(data), start=start)
    store.write_samples(stage.fresh / "screens.parquet", screen_samples(shown, recipe.seed, count))
    read = set(store.read_column(stage.samples / "questions.parquet", "key"))
    asked = questions.generate(data.fresh, recipe.seed + FRESH_SEED, "train", count)
    return {
        "questions": store.write_samples(
            stage.fresh / "questions.parquet", (one for one in asked if store.key(one) not in read)
        )
    }


def _counted(samples: Iterator[Sample], progress: Progress) -> Iterator[Sample]:
    for sample in samples:
        progress.advance()
        yield sample


def make_needles(stage: Stage) -> dict[str, Any]:
    """Documents with a hidden fact, of a few lengths up to nearly the longest row; held-out ones as many of each.

    Of those to learn from each length has equal tokens, not equal samples: finding is learnt on many short ones, and
    the long ones only carry it further.
    """
    recipe = stage.recipe
    rows = [entry.pack.row_tokens for entry in recipe.stages if isinstance(entry, config.Train)]
    lengths = [*_halved(int(NEEDLE_LONGEST * max(rows, default=512)))]
    taught = {tokens: 1 / tokens for tokens in lengths}
    tested = dict.fromkeys(lengths, 1.0)
    prose, held_prose = stage.samples / "prose.parquet", stage.held / "prose.parquet"
    made = _needles(stage, prose, _counts(taught, recipe.data.needles), "train")
    store.write_samples(stage.samples / "needles.parquet", made)
    held = _needles(stage, held_prose, _counts(tested, max(recipe.data.needles // 10, 1)), "held")
    return {"held": store.write_samples(stage.held / "needle.parquet", held), "longest": lengths[0]}


def _halved(tokens: int) -> Iterator[int]:
    """A length and its halves: each stage finds, in what fits its rows, short documents to learn on and long ones."""
    yield tokens
    while (tokens := tokens // 2) >= NEEDLE_LEAST:
        yield tokens


def _counts(weights: Mapping[int, float], total: int) -> dict[int, int]:
    """`total` documents shared by weight."""
    ends = [round(total * part / sum(weights.values())) for part in accumulate(weights.values())]
    return {tokens: end - start for tokens, start, end in zip(weights, [0, *ends], ends, strict=False)}


def _needles(stage: Stage, prose_file: Path, counts: Mapping[int, int], split: str) -> Iterator[Sample]:
    texts = store.read_column(prose_file, "text")[:NEEDLE_TEXTS]
    lines = [line for text in texts for line in text.split("\n") if line]
    licences = "; ".join(sorted(set(store.read_column(prose_file, "licence"))))
    length = cache(stage.count())
    for number, (tokens, many) in enumerate(counts.items()):
        seed = stage.recipe.seed * len(counts) + number
        paragraphs = [piece for line in lines for piece in cut_short(line, tokens, length)]
        if many:
            yield from needles.generate(many, seed, tokens, paragraphs, split, length, licences)


def cut_short(line: str, tokens: int, length: Callable[[str], int]) -> list[str]:
    """A paragraph, in pieces where it would fill more than half of a document (no character has over 4 tokens)."""
    return [line] if 2 * length(line) <= tokens else textwrap.wrap(line, max(tokens // 8, 1))
