"""What Redis holds, as text: hashes of a session, its turns, keys and facts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from runtime.sessions.moving import Whole
from runtime.sessions.store import Fact, Session, Summary, Turn, digest
from runtime.sessions.tally import Mark, Tally


def ms(seconds: float) -> int:
    """Milliseconds, one at least: Redis takes no key that has expired already."""
    return max(1, round(seconds * 1000))


def seconds(created: str) -> float:
    """Seconds since 1970, to sort by."""
    return datetime.fromisoformat(created).timestamp()


def fields(session: Session) -> dict[Any, Any]:
    """The hash of a session, without what a script adds when it tells a turn."""
    made: dict[Any, Any] = {
        "id": session.id,
        "created": session.created,
        "turns": session.turns,
        "chapter": session.chapter,
        "first_turn": session.first_turn,
    }
    if session.player is not None:
        made |= {"player": session.player, "player_key": digest(session.player)}
    if session.arm is not None:
        made["arm"] = session.arm
    if session.context is not None:
        made["context"] = json.dumps(session.context, ensure_ascii=False)
    return made


def session(found: Mapping[str, str]) -> Session:
    """A session from its hash."""
    context, summary = found.get("context"), found.get("summary")
    return Session(
        id=found["id"],
        created=found["created"],
        player=found.get("player"),
        context=None if context is None else json.loads(context),
        turns=int(found["turns"]),
        chapter=int(found["chapter"]),
        first_turn=int(found["first_turn"]),
        cast=found.get("cast") or None,
        summary=None if summary is None else Summary(summary, int(found["summary_through"])),
        arm=found.get("arm"),
    )


def turn_text(told: Turn, decision: str, mark: str | None = None) -> str:
    """A turn and its decision, and its mark where it is watched."""
    made: dict[str, Any] = {"id": decision, "number": told.number}
    made |= {"question": told.question, "decision": told.decision}
    if mark is not None:
        made["mark"] = mark
    return json.dumps(made, ensure_ascii=False)


def turn(text: str) -> Turn:
    """A turn from its text."""
    found = json.loads(text)
    return Turn(found["number"], found["question"], found["decision"])


def tally(turns: Iterable[str], metrics: str | None) -> Tally:
    """What is known of a session, from the texts of its turns and of what was posted."""
    told = sorted((json.loads(text) for text in turns), key=lambda each: int(each["number"]))
    marks = (each.get("mark") for each in told)
    known = json.loads(metrics or "{}")
    return Tally(
        tuple(Mark.read(mark) for mark in marks if mark is not None),
        {name: float(value) for name, value in known.items()},
    )


def metrics_text(metrics: Mapping[str, float]) -> str:
    """What was posted. The values are text: Lua would round them."""
    return json.dumps({name: repr(float(value)) for name, value in metrics.items()})


def fact_fields(fact: Fact) -> dict[str, Any]:
    """A fact, without its place among the others."""
    return {"id": fact.id, "text": fact.text, "size": len(fact.text)}


def facts(texts: Sequence[str]) -> list[Fact]:
    """Facts in their order, from their texts."""
    pinned = sorted((json.loads(text) for text in texts), key=lambda fact: int(fact["place"]))
    return [Fact(fact["id"], fact["text"]) for fact in pinned]


def hashes(whole: Whole) -> list[str]:
    """The four hashes of a session that moves here, each as a list of fields and values."""
    moved = whole.session
    made = fields(moved) | {"cast": moved.cast or "", "pinned": len(whole.facts)}
    if moved.summary:
        made |= {"summary": moved.summary.text, "summary_through": moved.summary.through}
    if whole.metrics:
        made["metrics"] = metrics_text(whole.metrics)
    turns = {
        str(told.turn.number): turn_text(told.turn, told.decision, told.mark)
        for told in whole.turns
    }
    keys = {told.key: told.decision for told in whole.turns if told.key is not None}
    pinned = {
        fact.id: json.dumps({**fact_fields(fact), "place": place}, ensure_ascii=False)
        for place, fact in enumerate(whole.facts, 1)
    }
    return [
        json.dumps([each for pair in found.items() for each in pair], ensure_ascii=False)
        for found in (made, turns, keys, pinned)
    ]
