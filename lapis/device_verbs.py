"""What `lapis build executorch` and `lapis export --to executorch` do. Like verbs.py, each imports what it needs."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lapis import config, files, outside
from lapis.parsing import Words
from lapis.types import InputError

OPTIONS = ("vit", "decoder", "kv", "group", "length")
"""Words of `lapis export` that this form alone has."""
SAMPLES = 100
README = """A program for ExecuTorch {version}: `model.pte`, made by `lapis export --to executorch`.

Kept as: ViT and adapter {vit}, decoder {decoder} (groups of {group}), keys and values {kv}; room for {length} tokens.
The program has {program:.1f} MB and its cache {cache:.1f} MB beside it.

    lapis build executorch
    lapis chat FOLDER --image screen.png --prompt "Where is the search field?"

It runs in ExecuTorch's runtime on any CPU that XNNPACK knows (arm64, x86-64). `token_embedding` takes int64 [1, T];
`vision_encoder` uint8 [N, S, S, 3], N up to {tiles}; `text_decoder` fp32 [1, T, D] and the positions int64 [T], T up to
{chunk}, and gives the logits after the last of them. `lapis/serve/executorch.py` is a runner to port.
"""
QUALITY = """
What each form costs on held-out questions ({samples} a task; 95% intervals; differences are paired with fp32). All but
the last line are computed by torch with the numbers that the form can say, the last by the program itself.

"""


def build(words: Words) -> None:
    """ExecuTorch, where it is not there yet."""
    if words.words:
        raise InputError(f"{words.words[0]}: not understood here; executorch takes no words")
    print(outside.build(outside.EXECUTORCH))


def export_options(verb: argparse.ArgumentParser) -> None:
    """The words of `lapis export --to executorch`."""
    verb.add_argument("--vit", choices=("int8", "fp32"), help="executorch: ViT and adapter (int8)")
    verb.add_argument("--decoder", choices=("int4", "int8", "fp32"), help="executorch: the decoder's matrices (int4)")
    verb.add_argument("--kv", choices=("int8", "fp32"), help="executorch: keys and values (int8)")
    verb.add_argument("--group", metavar="N", type=int, help="executorch: inputs that share a step in int4 (32)")
    verb.add_argument("--length", metavar="N", type=int, help="executorch: tokens that the cache has room for (2048)")


def export(words: Words) -> None:
    """A model's program, and what its forms cost where the model belongs to a run."""
    from lapis.export import executorch
    from lapis.export.quantise import Forms
    from lapis.verbs import source_of

    samples = SAMPLES if words.samples is None else words.samples
    forms = Forms(**_given(words, "vit", "decoder", "kv", "group"))
    size = executorch.Size(**_given(words, "length"))
    model, run, out = source_of(words, "executorch")
    about = executorch.write(*_read(model), out, forms, size)
    report = {"forms": about["forms"], "size": about["size"], "bytes": _bytes(model, out, about)}
    if run is not None and samples:
        report["quality"] = _quality(model, run, out, forms, samples, size.length)
    files.write_json(out / "report.json", report)
    files.write(out / "README.md", readme(report, about))
    print(out)


def _given(words: Words, *names: str) -> dict[str, Any]:
    return {name: getattr(words, name) for name in names if getattr(words, name) is not None}


def _read(folder: Path) -> tuple[Any, Any]:
    """A model and its tokenizer."""
    from lapis.chat import Tokenizer
    from lapis.model import convert

    shape = convert.config_of(folder)
    tokens = config.tile_tokens(shape)
    return convert.read(folder), Tokenizer.load(folder, tokens)


def _bytes(model: Path, out: Path, about: dict[str, Any]) -> dict[str, int]:
    weights = sum(path.stat().st_size for path in model.glob("*.safetensors"))
    return {"weights": weights, "program": (out / "model.pte").stat().st_size, "cache": about["cache_bytes"]}


def _quality(folder: Path, run: Path, out: Path, forms: Any, samples: int, longest: int) -> dict[str, Any]:
    """Every option alone, all together, and the program, on the run's held-out questions."""
    from lapis.eval import quality
    from lapis.named import recipe_in
    from lapis.progress import Bars, Task
    from lapis.serve.executorch import Device

    recipe = recipe_in(run)
    model, tokenizer = _read(folder)
    plan = dataclasses.replace(recipe.eval, samples=samples)
    asked = quality.questions(run / recipe.data.name / "heldout", plan, model.config, tokenizer, longest)
    made: dict[str, Callable[[], quality.Judged]] = {"fp32": lambda: quality.Torch(model, tokenizer)}
    made |= {name: _rounded(model, tokenizer, one) for name, one in options(forms).items()}
    made["the program"] = lambda: Device(out)
    with Bars([Task("quality", 5.0)], {}) as bars, bars.stage("quality", asked.count(len(made))) as progress:
        return quality.compare(made, asked, progress)


def options(forms: Any) -> dict[str, Any]:
    """Each option alone, and those of `forms` together."""
    none = dataclasses.replace(forms, vit="fp32", decoder="fp32", kv="fp32")
    alone = (("vit", "int8"), ("decoder", "int8"), ("decoder", "int4"), ("kv", "int8"))
    each = {f"{part} {bits}": dataclasses.replace(none, **{part: bits}) for part, bits in alone}
    return each | {"as exported": forms}


def _rounded(model: Any, tokenizer: Any, forms: Any) -> Callable[[], Any]:
    def make() -> Any:
        from lapis.eval import quality
        from lapis.export.quantise import quantised

        return quality.Torch(quantised(model, forms), tokenizer)

    return make


def readme(report: dict[str, Any], about: dict[str, Any]) -> str:
    """The README of a program's folder."""
    sizes = {name: count / 1e6 for name, count in report["bytes"].items()}
    text = README.format(version=about["made_with"][0].partition("==")[2], **report["forms"], **report["size"], **sizes)
    if "quality" not in report:
        return text
    from lapis.eval import quality

    return text + QUALITY.format(samples=report["quality"]["samples"]) + quality.table(report["quality"]) + "\n"
