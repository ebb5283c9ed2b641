"""docs/serving.md says what is so: its example runs, and it names every status, route, number and field."""

from __future__ import annotations

import re

import pytest

from lapis.serve import api, wire
from lapis.serve.ask import EFFORTS
from lapis.serve.faults import KINDS
from tests.conftest import ROOT
from tests.serve.scripted import SPELLING, Scripted, serving

PAGE = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    with serving(Scripted()) as served:
        exec(example.replace("http://127.0.0.1:8000", served.url).replace('"pocket"', '"scripted"'), {})
    assert capsys.readouterr().out.replace(" ", "") == "letmesee?71-83+54sitahW"


def test_every_status_route_and_number_is_told() -> None:
    app = api.create(Scripted(), SPELLING)
    names = [family.name for family in app.state.service.metrics.registry.collect()]
    paths = [path for path in app.openapi()["paths"] if "{" not in path]
    told = [*names, *paths, *map(str, KINDS), *(f"({budget})" for budget in EFFORTS.values() if budget > 0)]
    assert [one for one in told if one not in PAGE] == []


def test_every_field_without_effect_is_told() -> None:
    silent = {
        name
        for model in (wire.Chat, wire.ImageURL, wire.Function, wire.Schema)
        for name, field in model.model_fields.items()
        if "no effect" in (field.description or "")
    }
    assert len(silent) >= 8 and [name for name in silent if f"`{name}`" not in PAGE] == []
