"""The pydantic models and the API server take and refuse the same objects.

The models are stricter nowhere. The server is stricter in two things, which the models leave to it:
CEL rules, and two items of one name in a list.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crds import KINDS, InvalidObjectError, Kind
from crds.definition import root_schema
from crds.schema import Schema
from tests.api.examples import Object
from tests.api.objects import objects
from tests.api.server import Answer, Server

NOTE = "some validation rules were not checked"


def rules(schema: Schema) -> Iterator[str]:
    """The message of every CEL rule in a schema."""
    yield from (rule["message"] for rule in schema.get("x-kubernetes-validations", []))
    for child in schema.get("properties", {}).values():
        yield from rules(child)
    for inner in ("items", "additionalProperties"):
        if inner in schema:
            yield from rules(schema[inner])


MESSAGES = {
    message
    for kind in KINDS
    for message in rules(root_schema(kind))
    if not message.startswith("keys have at most")  # this one the models check too
}


def only_the_server_sees(answer: Answer) -> bool:
    """Whether an object was refused for nothing but what the models leave to the server."""
    return all(
        "Duplicate value" in cause or any(message in cause for message in MESSAGES)
        for cause in answer.causes
        if NOTE not in cause
    )


def agree(server: Server, kind: type[Kind], raw: Object) -> None:
    answer = server.check(raw)
    if answer.accepted:
        kind.parse(answer.body)
        return
    try:
        kind.parse(raw)
    except InvalidObjectError:
        return
    assert answer.causes, answer.message
    assert only_the_server_sees(answer), answer.message


CHECKS = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.names.kind)
@given(data=st.data())
@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=CHECKS)
def test_models_and_server_agree(server: Server, kind: type[Kind], data: st.DataObject) -> None:
    agree(server, kind, data.draw(objects(kind)))


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.names.kind)
@given(data=st.data())
@settings(max_examples=1000, deadline=None, suppress_health_check=CHECKS)
def test_models_and_server_agree_on_much_more(
    server: Server, kind: type[Kind], data: st.DataObject
) -> None:
    agree(server, kind, data.draw(objects(kind)))
