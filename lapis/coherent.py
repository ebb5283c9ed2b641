"""What a recipe must be besides its fields' ranges: told in one line, before anything is written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lapis import chat, config
from lapis.timeline import RESERVED
from lapis.types import KINDS, PATCH_LABELS, InputError


def check(recipe: config.Recipe) -> None:
    """Raises InputError for stages that do not follow from each other, shapes that do not fit, kinds that nobody makes,
    rates that nothing reads, processes that do not divide the work, an engine that cannot do it, and a device that is
    not there."""
    _stages(recipe)
    _shapes(recipe)
    _words(recipe)
    _cut(recipe)
    for entry in recipe.stages:
        _mixture(entry)
        _rates(entry)
        _spread(entry, recipe)
    if recipe.dist.engine == "deepspeed":
        from lapis.dist import zero

        zero.refuse(recipe)
    if recipe.device == "cuda":
        from lapis.dist import guard

        guard.device_of(recipe.device)


def check_inputs(recipe: config.Recipe) -> None:
    """What the data stage and the evaluation need from outside.

    Raises InputError for a folder of texts without any, one that is empty or not UTF-8, one of ScreenSpot that is not
    whole, and a machine without a browser or without Chinese fonts.
    """
    if recipe.data.texts:
        from lapis.data.sources import prose

        for _ in prose.folder_texts(Path(recipe.data.texts)):
            pass
    if recipe.eval.screenspot:
        from lapis.eval import grounding

        grounding.read(Path(recipe.eval.screenspot))
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
    """Every token has a row, and images have theirs."""
    for name, shape in (("model.decoder", recipe.model.decoder), ("teacher", recipe.teacher)):
        if shape.vocab < recipe.data.vocab:
            raise InputError(f"{name}.vocab: {shape.vocab}, expected data.vocab {recipe.data.vocab} or more")
    token, place = recipe.model.image_token, chat.SPECIALS.index(chat.IMAGE)
    if token != place:
        raise InputError(f"model.image_token: {token}, expected {place}, where the tokenizer puts it")


def _cut(recipe: config.Recipe) -> None:
    """Where a stage prunes, the student can be cut out of the teacher."""
    if any(isinstance(entry, config.Prune) for entry in recipe.stages):
        from lapis.model import prune

        prune.refuse(recipe.teacher, recipe.model.decoder)


def _mixture(entry: Any) -> None:
    from lapis.data.mixture import belongs

    for field in ("mixture", "epochs"):
        for prefix in getattr(entry, field, {}):
            if not any(belongs(kind, prefix) for kind in KINDS):
                raise InputError(f"stages.{entry.name}.{field}.{prefix}: no such kind; there are {', '.join(KINDS)}")


def _spread(entry: Any, recipe: config.Recipe) -> None:
    """A training stage's mesh divides what it splits."""
    if recipe.dist == config.Dist() or not isinstance(entry, config.Train):
        return
    from lapis.dist import mesh

    shape = mesh.shaped(recipe.dist, entry.pack, recipe.dist.nproc)
    decoder = recipe.teacher if entry.shape == "teacher" else recipe.model.decoder
    try:
        mesh.fits(shape, decoder, entry.pack, recipe.dist.nproc)
    except InputError as error:
        raise InputError(f"stage {entry.name}: {error}") from None
    if shape.tp > 1 and entry.look_weight:
        raise InputError(f"stages.{entry.name}.look_weight: {entry.look_weight}, expected 0 with dist.tp = {shape.tp}")


def _rates(entry: Any) -> None:
    unread = ("lr_vit", "lr_adapter", "vit_layer_decay")
    if isinstance(entry, config.RL):
        plain = config.Optim()
        for name in unread:
            if getattr(entry.optim, name) != getattr(plain, name):
                raise InputError(f"stages.{entry.name}.optim.{name}: RL trains the decoder alone, set optim.lr")
