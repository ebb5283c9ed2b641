"""The API against its own OpenAPI page, by schemathesis: no status that is not told there, and never a fault."""

from __future__ import annotations

from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lapis.serve import api
from lapis.serve.limits import Limits
from tests.serve.scripted import SPELLING, Scripted

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 40
SEEN: Counter[int] = Counter()
"""Statuses of all answers."""

app = api.create(Scripted(), SPELLING, Limits(names=frozenset({"testserver"})))
schema = schemathesis.openapi.from_asgi("/openapi.json", app)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_page_tells(case: schemathesis.Case) -> None:
    if isinstance(case.body, dict) and "model" in case.body:
        case.body["model"] = "scripted"
    answer = case.call_and_validate(checks=CHECKS)
    SEEN[answer.status_code] += 1


def test_much_of_it_got_through() -> None:
    assert SEEN[200] >= 20 and SEEN[400] >= 5


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/images", "/v1/models", "/health", "/metrics"])
def test_the_page_tells_every_route(path: str) -> None:
    assert path in app.openapi()["paths"]
