"""What a run begins with where it does not begin from nothing: shape, tokenizer and weights of public folders.

`Recipe.start` names a decoder of a known family or a whole model in the form of our exports, and the stage `Start`
perhaps a tower. The recipe's shapes are those of the weights, so they are taken from there (`fitted`) and not typed.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from lapis import chat, config
from lapis.hub import WORDS, folder_of
from lapis.model import convert, init, shapes
from lapis.model.decoder import Decoder
from lapis.model.vlm import Lapis, text_of
from lapis.types import InputError


def begins(recipe: config.Recipe) -> config.Start:
    """The one stage that takes the recipe's weights. Raises InputError where there is none, several, or no weights."""
    found = [entry for entry in recipe.stages if isinstance(entry, config.Start)]
    if not found:
        raise InputError(f"start: {recipe.start}, but no stage of {recipe.name} begins with it; `tune` has one")
    if not recipe.start or len(found) > 1:
        names = " and ".join(entry.name for entry in found)
        raise InputError(f"start: {recipe.start or 'empty'}, for {names}; expected a folder or hub name, and one stage")
    return found[0]


def shape(recipe: config.Recipe) -> config.Model:
    """The recipe's model with the shapes of its weights: their parts', with rows for the special tokens.

    Raises InputError for a source that is no model, and for a tower where there is one already.
    """
    vision = begins(recipe).vision
    found = _public(recipe)
    raw, _ = chat.special_tokenizer(folder_of(recipe.start, WORDS))
    tokens, place = chat.size_of(raw), raw.token_to_id(chat.IMAGE)
    assert place is not None
    if isinstance(found, config.Model):
        if vision:
            raise InputError(f"vision: {vision}, but {recipe.start} has a tower already; expected a text decoder there")
        return replace(found, decoder=_rows(found.decoder, tokens), image_token=place)
    model = replace(recipe.model, decoder=_rows(found, tokens), image_token=place)
    return replace(model, vit=_vit(vision, recipe.model.vit.tile)) if vision else model


def _public(recipe: config.Recipe) -> config.Model | config.Decoder:
    return convert.config_of(folder_of(recipe.start, WORDS))


def _rows(decoder: config.Decoder, tokens: int) -> config.Decoder:
    return replace(decoder, vocab=max(decoder.vocab, tokens))


def _vit(vision: str, tile: int) -> config.ViT:
    """A tower's shape, for tiles as near to `tile` px as an even number of its patches comes."""
    raw = convert.read_json(folder_of(vision, WORDS) / "config.json")
    pair = 2 * shapes.vit_of(raw, vision).patch
    return shapes.vit_of(raw, vision, max(round(tile / pair), 1) * pair)


def fitted(recipe: config.Recipe) -> config.Recipe:
    """A recipe whose shapes are those of its weights, and whose fresh adapter, if any, is as wide as the decoder."""
    model = shape(recipe)
    if not isinstance(_public(recipe), config.Model):
        model = replace(model, adapter=replace(model.adapter, hidden=model.decoder.width))
    return replace(recipe, model=model, teacher=model.decoder)


def check(recipe: config.Recipe) -> None:
    """Raises InputError with both numbers for a field in which the recipe's model is not that of its weights."""
    found = replace(shape(recipe), anyres=recipe.model.anyres)
    of = recipe.start if begins(recipe).vision == "" else f"{recipe.start} with {begins(recipe).vision}"
    wanted = config.flat(asdict(found), "model.")
    for name, value in config.flat(asdict(recipe.model), "model.").items():
        if wanted.get(name) != value:
            raise InputError(f"{name}: {value}, but {of} has {wanted.get(name)}")


def whole(recipe: config.Recipe) -> bool:
    """Whether the weights, with their tower if one is named, see pictures."""
    return begins(recipe).vision != "" or isinstance(_public(recipe), config.Model)


def read(recipe: config.Recipe, tokenizer: Path) -> Lapis | Decoder:
    """The weights, fp32, with rows for the special tokens; an adapter that is lacking is drawn by the recipe's seed.

    `tokenizer` is the folder of the run's. Raises InputError where the source has another one by now.
    """
    folder = folder_of(recipe.start)
    raw, first = chat.special_tokenizer(folder)
    if raw.to_str() != chat.read_tokenizer(tokenizer / "tokenizer.json").to_str():
        raise InputError(f"{recipe.start}: its tokenizer is not the one that the data stage took; --restart that stage")
    vision, shape = begins(recipe).vision, recipe.model
    found = convert.read(folder) if isinstance(_public(recipe), config.Model) else convert.read_decoder(folder)
    text = text_of(found)
    init.grow(text, first, chat.size_of(raw))
    if isinstance(found, Lapis):
        return init.assembled(found.vit, found.adapter, text, shape)
    if vision:
        return init.around(convert.read_vit(folder_of(vision), shape.vit.tile), text, shape, recipe.seed)
    return text
