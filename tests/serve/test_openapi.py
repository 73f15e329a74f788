"""The OpenAPI document holds: what it allows is answered as it says, and what it does not is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

schemathesis = pytest.importorskip("schemathesis")

from opengato.serve.config import Config  # noqa: E402
from opengato.serve.openapi import document  # noqa: E402
from tests.serve.asking import Running  # noqa: E402

CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)


SCHEMA = schemathesis.openapi.from_dict(document(Config()))
OPERATIONS = {f"{one.method.upper()} {one.path}": one for one in (found.ok() for found in SCHEMA.get_all_operations())}
# What takes no body takes nothing that could be wrong: any text is a name of a task.
CASES = [(name, "positive") for name in OPERATIONS] + [(name, "negative") for name in OPERATIONS if "POST" in name]


@pytest.mark.parametrize(("name", "mode"), CASES)
def test_it_does_what_the_document_says(server: Running, name: str, mode: str) -> None:
    """Not `positive_data_acceptance`: which fields an observation has follows from its task, which no schema says."""
    operation = OPERATIONS[name]
    checks = schemathesis.checks.CHECKS.get_by_names(CHECKED)

    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    @settings(
        max_examples=12,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    def asked(case: Any) -> None:
        case.call_and_validate(base_url=server.address, checks=checks, timeout=60)

    try:
        asked()
    except Exception as error:  # its text may hold half letters, which no report can carry
        raise AssertionError(str(error).encode("ascii", "backslashreplace").decode()) from None


def test_the_document_names_every_route(server: Running) -> None:
    app: Any = server.server.config.app
    routes = {route.path: route.methods - {"HEAD"} for route in app.routes if getattr(route, "methods", None)}
    paths = document(Config())["paths"]
    assert {
        path: {name.upper() for name in methods if name != "parameters"} for path, methods in paths.items()
    } == routes
    assert server.get("/openapi.json").json() == document(server.service.config)
    secured = document(Config(token="x"))
    assert secured["security"] == [{"token": []}]
    assert secured["paths"]["/healthz"]["get"]["security"] == []
