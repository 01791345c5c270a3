"""What schemathesis cannot know: JSON Schema has no words for it, so that a request may fit the
document and be refused all the same. The tests of the API hold these rules."""

from typing import Any

import schemathesis

from runtime.consensus import canonical
from runtime.gateway.interfaces.chat.request import MAX_SCHEMA_DEPTH, choice_of
from runtime.gateway.interfaces.models import MAX_CONTEXT_DEPTH, depth


@schemathesis.hook
def filter_body(context: schemathesis.HookContext, body: Any) -> bool:
    """Whether the document says all that there is to say about this body."""
    return not isinstance(body, dict) or (
        _is_trimmed(body) and _options_differ(body) and _is_flat(body) and _can_be_voted_on(body)
    )


@schemathesis.hook
def filter_query(context: schemathesis.HookContext, query: dict[str, Any] | None) -> bool:
    """Whether no text in it reads as a whole number, as ``+0.0`` does."""
    return not any(_is_whole(each) for each in (query or {}).values() if isinstance(each, str))


def _is_whole(text: str) -> bool:
    try:
        return float(text).is_integer()
    except ValueError:
        return False


def _is_trimmed(body: dict[str, Any]) -> bool:
    """Words are taken without the spaces around them, and then counted."""
    return all(each == each.strip() for each in body.values() if isinstance(each, str))


def _options_differ(body: dict[str, Any]) -> bool:
    options = body.get("options")
    if not isinstance(options, list):
        return True
    forms = [canonical(option) for option in options if isinstance(option, str)]
    return len(set(forms)) == len(forms) and all(form.strip() for form in forms)


def _is_flat(body: dict[str, Any]) -> bool:
    return depth(body.get("context"), MAX_CONTEXT_DEPTH) <= MAX_CONTEXT_DEPTH


def _can_be_voted_on(body: dict[str, Any]) -> bool:
    form = body.get("response_format")
    spec = form.get("json_schema") if isinstance(form, dict) else None
    schema = spec.get("schema") if isinstance(spec, dict) else None
    if not isinstance(schema, dict):
        return True
    return depth(schema, MAX_SCHEMA_DEPTH) <= MAX_SCHEMA_DEPTH and choice_of(schema) is not None
