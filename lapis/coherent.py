"""What a recipe must be besides its fields' ranges: told in one line, before anything is written."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from lapis import chat, config, plug
from lapis.endpoint import refuse_address
from lapis.timeline import RESERVED
from lapis.types import KINDS, PATCH_LABELS, TOLD, InputError

log = logging.getLogger(__name__)


def check(recipe: config.Recipe) -> None:
    """Raises InputError for stages that do not follow from each other, shapes that do not fit, kinds that nobody makes,
    rates that nothing reads, rewards that nobody can give, processes that do not divide the work, an engine that cannot
    do it, a device that is not there, and processes of RL or data on Ray without it."""
    _stages(recipe)
    _shapes(recipe)
    _words(recipe)
    _adapter(recipe)
    _cut(recipe)
    _handlers(recipe.data)
    _sources(recipe.data)
    _nodes(recipe.dist)
    for entry in recipe.stages:
        if not _brings(entry, recipe.data):
            _mixture(entry, _kinds(entry, recipe.data))
        _asked(entry, recipe.data)
        _rates(entry)
        _fleet(entry)
        _rewards(entry, recipe)
        _online(entry)
        _spread(entry, recipe)
    if recipe.dist.engine == "deepspeed":
        from lapis.dist import zero

        zero.refuse(recipe)
    if recipe.device == "cuda":
        from lapis.dist import guard

        guard.device_of(recipe.device)


def check_inputs(recipe: config.Recipe) -> None:
    """What the data stage and the evaluation need from outside.

    Raises InputError for a folder of texts without any, one that is empty or not UTF-8, a source without files, a
    classifier, a model or a file of RL items that is not there, items that nobody asks, kinds that neither the recipe
    nor its files have, a folder of ScreenSpot that is not whole, and a machine without a browser or without Chinese
    fonts.
    """
    if recipe.data.texts:
        from lapis.data.sources import prose

        for _ in prose.folder_texts(Path(recipe.data.texts)):
            pass
    _items(recipe)
    if recipe.eval.screenspot:
        from lapis.eval import grounding

        grounding.read(Path(recipe.eval.screenspot))
    if recipe.data.sources:
        from lapis import data_models
        from lapis.data.corpus import plan

        data_models.refuse(recipe.data)
        plan.parts(recipe.data)
    _made(recipe)
    if not recipe.data.made:
        return
    from lapis.data.screens import browser

    browser.installed_fonts()
    with browser.Browser(browser.find_browser()):
        pass


def _stages(recipe: config.Recipe) -> None:
    """Names of their own that are folder names, and parents that come before."""
    taken, before = set(RESERVED), list[str]()
    for entry in (recipe.data, *recipe.stages, recipe.eval, recipe.export):
        if not re.fullmatch(r"[a-z][a-z0-9_-]*", entry.name) or entry.name in taken:
            raise InputError(f"stage {entry.name!r}: expected a name of its own, in small letters and digits")
        for key, parent in _parents(entry):
            if parent not in before:
                raise InputError(f"{entry.name}.{key}: no stage {parent!r} before it; there are {', '.join(before)}")
        taken.add(entry.name)
        if entry in recipe.stages:
            before.append(entry.name)


def _parents(entry: Any) -> list[tuple[str, str]]:
    parents = [("parent", getattr(entry, "parent", None))]
    distil = getattr(entry, "distil", None)
    if distil is not None:
        parents.append(("distil.teacher", distil.teacher))
    return [(key, parent) for key, parent in parents if parent is not None]


def _shapes(recipe: config.Recipe) -> None:
    vit, block = recipe.model.vit, recipe.model.vit.patch * recipe.model.adapter.shuffle
    if vit.tile % block:
        raise InputError(f"model.vit.tile: {vit.tile}, expected a multiple of {block} (patch x adapter.shuffle)")
    if recipe.model.adapter.shuffle**2 != PATCH_LABELS:
        shuffle = recipe.model.adapter.shuffle
        raise InputError(f"model.adapter.shuffle: {shuffle}, expected 2 (image tokens have labels of 2 x 2 patches)")
    if vit.width % vit.heads:
        raise InputError(f"model.vit.heads: {vit.heads}, expected a divisor of width {vit.width}")
    for name, shape in (("model.decoder", recipe.model.decoder), ("teacher", recipe.teacher)):
        if shape.heads % shape.kv_heads:
            raise InputError(f"{name}.heads: {shape.heads}, expected a multiple of kv_heads {shape.kv_heads}")
        if shape.head_dim % 2:
            raise InputError(f"{name}.head_dim: {shape.head_dim}, expected an even number (RoPE turns pairs)")


def _words(recipe: config.Recipe) -> None:
    """Every token has a row, and images have theirs: of the tokenizer that is trained, or of the run's weights."""
    if recipe.start or any(isinstance(entry, config.Start) for entry in recipe.stages):
        return _start(recipe)
    for name, shape in (("model.decoder", recipe.model.decoder), ("teacher", recipe.teacher)):
        if shape.vocab < recipe.data.vocab:
            raise InputError(f"{name}.vocab: {shape.vocab}, expected data.vocab {recipe.data.vocab} or more")
    token, place = recipe.model.image_token, chat.SPECIALS.index(chat.IMAGE)
    if token != place:
        raise InputError(f"model.image_token: {token}, expected {place}, where the tokenizer puts it")


def _start(recipe: config.Recipe) -> None:
    from lapis.model import source

    source.begins(recipe)
    source.check(recipe)
    if not source.whole(recipe) and not any(isinstance(entry, config.Join) for entry in recipe.stages):
        name = source.begins(recipe).name
        raise InputError(f"stages.{name}.vision: empty, but {recipe.start} is a text decoder; expected a tower's name")
    for entry in recipe.stages:
        if isinstance(entry, config.Train) and entry.yarn and recipe.model.decoder.llama3:
            raise InputError(f"stages.{entry.name}.yarn: {recipe.start} has Llama 3's scaled positions, expected none")


def _adapter(recipe: config.Recipe) -> None:
    """One of the user's own can be made, gives as many tokens as ours, and names patches where a stage asks it to."""
    shape = recipe.model
    if not shape.adapter.kind:
        return
    import torch

    from lapis.model import adapter

    module = adapter.build(shape.adapter, shape.vit.width, shape.decoder.width)
    with torch.no_grad():
        made = list(module(torch.zeros(1, shape.vit.grid**2, shape.vit.width)).shape)
    wanted = [1, shape.tokens_per_tile, shape.decoder.width]
    if made != wanted:
        raise InputError(f"model.adapter.kind: {shape.adapter.kind} gives {made} for a tile, expected {wanted}")
    for entry in recipe.stages:
        if isinstance(entry, config.Train) and entry.patch_weight and not hasattr(module, "alone"):
            raise InputError(f"stages.{entry.name}.patch_weight: {shape.adapter.kind} has no alone(), expected 0")


def _handlers(data: config.Data) -> None:
    """Kinds of the user's own have names that are not ours, and generators that can be imported."""
    ours = {kind.partition("/")[0] for kind in KINDS} | {"needle"}
    for kind, name in data.handlers.items():
        if not re.fullmatch(r"[a-z][a-z0-9]*", kind) or kind in ours:
            raise InputError(f"data.handlers.{kind}: expected a name of its own, in small letters and digits")
        if not callable(plug.named(name, f"data.handlers.{kind}")):
            raise InputError(f"data.handlers.{kind}: {name} is no function")


def _sources(data: config.Data) -> None:
    """Sources have names, forms and fields, and there is something to take where nothing else is made."""
    if data.sources:
        from lapis.data.corpus import engine

        engine.check(data)
    elif not data.made:
        raise InputError("data.sources: none, and data.made is false; expected one (data.sources.web.form=jsonl)")


def _cut(recipe: config.Recipe) -> None:
    """Where a stage prunes, the student can be cut out of the teacher."""
    if any(isinstance(entry, config.Prune) for entry in recipe.stages):
        from lapis.model import prune

        prune.refuse(recipe.teacher, recipe.model.decoder)


def _brings(entry: Any, data: config.Data) -> bool:
    """Whether files bring kinds of their own to a stage: samples of sources to training, items to RL."""
    if isinstance(entry, config.RL):
        return bool(data.sets.items)
    return any(source.form == "made" for source in data.sources.values())


def _mixture(entry: Any, kinds: Collection[str]) -> None:
    from lapis.data.mixture import belongs

    for field in ("mixture", "epochs"):
        for prefix in getattr(entry, field, {}):
            if not any(belongs(kind, prefix) for kind in kinds):
                raise InputError(f"stages.{entry.name}.{field}.{prefix}: no such kind; there are {', '.join(kinds)}")


def _asked(entry: Any, data: config.Data) -> None:
    """RL's questions are made, its instructions too or with items of the user's own, and something measures it."""
    if not isinstance(entry, config.RL):
        return
    if not data.made:
        raise InputError(f"stages.{entry.name}: nobody makes questions for RL; expected data.made=true")
    from lapis.rl import held

    place = f"stages.{entry.name}.mixture"
    if "instructions" in entry.mixture and not (data.sets.instructions or data.sets.items):
        raise InputError(f"{place}.instructions: nobody makes them; expected data.sets.instructions=200")
    if not held.names(entry.mixture, data.handlers.__contains__):
        expected = ", ".join((*held.HELD, *data.handlers))
        raise InputError(f"{place}: {', '.join(entry.mixture)} have no held-out questions; expected one of {expected}")


def _items(recipe: config.Recipe) -> None:
    """RL items are asked by a stage, and a mixture names no kind that they have not; kinds left out are told."""
    data, path = recipe.data, recipe.data.sets.items
    if not path:
        return
    from lapis.data import brought

    found, asking = brought.by_items(path), [entry for entry in recipe.stages if isinstance(entry, config.RL)]
    for entry in asking:
        _mixture(entry, tuple(dict.fromkeys((*_kinds(entry, data), *found))))
        if "instructions" in entry.mixture and "instructions" not in found and not data.sets.instructions:
            place = f"stages.{entry.name}.mixture.instructions"
            raise InputError(f"{place}: {path} has none; expected data.sets.instructions=200")
    left = {kind: many for kind, many in found.items() if not any(_takes(entry, kind) for entry in asking)}
    told = ", ".join(f"{many} {kind}" for kind, many in left.items())
    if len(left) == len(found):
        raise InputError(f"data.sets.items: {path}: no RL stage's mixture has a kind of it ({told or 'no items'})")
    if left:
        log.warning("data.sets.items: %s: in no RL stage's mixture, and never asked: %s", path, told)


def _takes(entry: config.RL, kind: str) -> bool:
    from lapis.data.mixture import match

    prefix = match(kind, entry.mixture)
    return prefix is not None and entry.mixture[prefix] > 0


def _made(recipe: config.Recipe) -> None:
    """Mixtures of training name kinds that the recipe or its sources' own samples have."""
    training = [entry for entry in recipe.stages if not isinstance(entry, config.RL)]
    if not any(_brings(entry, recipe.data) for entry in training):
        return
    from lapis.data import brought

    found = sorted(brought.by_sources(recipe.data))
    for entry in training:
        _mixture(entry, tuple(dict.fromkeys((*_kinds(entry, recipe.data), *found))))


def _spread(entry: Any, recipe: config.Recipe) -> None:
    """A training stage's mesh divides what it splits."""
    if recipe.dist == config.Dist() or not isinstance(entry, config.Train):
        return
    from lapis.dist import mesh

    try:
        for nodes in {recipe.dist.nodes, recipe.dist.least or recipe.dist.nodes}:
            shape = mesh.suits(recipe, entry, nodes * recipe.dist.nproc)
    except InputError as error:
        raise InputError(f"stage {entry.name}: {error}") from None
    if shape.tp > 1 and entry.look_weight:
        raise InputError(f"stages.{entry.name}.look_weight: {entry.look_weight}, expected 0 with dist.tp = {shape.tp}")


def _nodes(shape: config.Dist) -> None:
    """Where several machines take part, there is a place to meet, and numbers are in range."""
    for name, value in (("least", shape.least), ("node", shape.node + 1)):
        if value > shape.nodes:
            raise InputError(f"dist.{name}: {getattr(shape, name)}, with {shape.nodes} in dist.nodes")
    if shape.nodes > 1:
        from lapis.dist import board

        board.address_of(shape.rendezvous)


def _online(entry: Any) -> None:
    """What is asked beside training is a task in one of its modes."""
    if not isinstance(entry, config.Train) or not entry.online.tasks:
        return
    from lapis.eval.tasks import ALL

    known = [f"{task.name}/{mode}" for task in ALL for mode in task.modes]
    for name in entry.online.tasks:
        if name not in known:
            raise InputError(f"stages.{entry.name}.online.tasks: no {name}; there are {', '.join(known)}")


def _fleet(entry: Any) -> None:
    """Servers outside have addresses."""
    if isinstance(entry, config.RL) and entry.fleet.outside:
        for url in entry.fleet.outside:
            refuse_address(url, f"stages.{entry.name}.fleet.outside")


def _rewards(entry: Any, recipe: config.Recipe) -> None:
    """Who judges answers in RL can do so."""
    if isinstance(entry, config.RL) and entry.rewards != config.Rewards():
        from lapis.rl.rewards import made

        where = f"stages.{entry.name}.rewards"
        made.refuse(entry.rewards, where, (*_kinds(entry, recipe.data), *entry.mixture))
        if entry.rewards.services and (entry.fleet.mode == "inline" or not recipe.ray.address):
            raise InputError(f"{where}.services: on the cluster at ray.address, by fleet.mode=sync or async")


def _kinds(entry: Any, data: config.Data) -> tuple[str, ...]:
    """Of all samples that a stage may have, but for those that files bring. RL asks none of sources."""
    named = [] if isinstance(entry, config.RL) else [source.kind for source in data.sources.values()]
    told = TOLD if "" in named else ()
    return tuple(dict.fromkeys((*KINDS, *data.handlers, *told, *filter(None, named))))


def _rates(entry: Any) -> None:
    unread = ("lr_vit", "lr_adapter", "vit_layer_decay")
    if isinstance(entry, config.RL):
        plain = config.Optim()
        for name in unread:
            if getattr(entry.optim, name) != getattr(plain, name):
                raise InputError(f"stages.{entry.name}.optim.{name}: RL trains the decoder alone, set optim.lr")
