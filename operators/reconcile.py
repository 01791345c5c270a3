"""One look at one object: observe, decide, act, and say how it went."""

import dataclasses
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog
from pydantic import ValidationError

from controllers import conditions as say
from controllers.conditions import Verdict
from controllers.plan import Children, Object, Plan, Ref
from crds import InvalidObjectError
from crds.common import Condition, Status
from operators.applier import Applier, Outcome
from operators.dependents import Dependents
from operators.errors import ApiError, ForbiddenError
from operators.kinds import Handler
from operators.observe.reading import Reader, parse, together

log = structlog.get_logger(__name__)

#: Times that a decision is made anew because a child that it wants turned out to exist.
ROUNDS = 3
MEMORY = 4096


class Reconciler:
    """Looks at objects, one call a look.

    Args:
        handlers: by kind.
        now: the time, in UTC.
    """

    def __init__(
        self,
        reader: Reader,
        applier: Applier,
        handlers: Mapping[str, Handler],
        dependents: Dependents,
        now: Callable[[], datetime],
    ) -> None:
        self._reader = reader
        self._applier = applier
        self._handlers = handlers
        self._dependents = dependents
        self._now = now
        self._uids: dict[Ref, str] = {}

    async def __call__(self, key: Ref) -> float | None:
        """Returns the seconds until the next look, None where only an event calls for one.

        Raises:
            ApiError: something could not be read or written; try again later.
            NotLeaderError: this operator may not write any more.
        """
        started = time.monotonic()
        outcome = Outcome()
        place = {"kind": key.kind, "namespace": key.namespace, "name": key.name}
        with structlog.contextvars.bound_contextvars(object=place, trace=secrets.token_hex(8)):
            raw = await self._reader.get(key)
            if raw is None:
                again = await self._gone(key, outcome)
            else:
                generation = raw["metadata"].get("generation", 0)
                with structlog.contextvars.bound_contextvars(generation=generation):
                    again = await self._look(key, raw, outcome)
                    self._report(outcome, started)
            if raw is None:
                self._report(outcome, started)
        if outcome.refused:
            raise outcome.refused[0]
        return again

    def _report(self, outcome: Outcome, started: float) -> None:
        tell = log.info if outcome.written else log.debug
        seconds = round(time.monotonic() - started, 3)
        tell("reconciled", wrote=outcome.written, seconds=seconds)

    async def _look(self, key: Ref, raw: Object, outcome: Outcome) -> float | None:
        handler = self._handlers[key.kind]
        self._remember_uid(key, raw["metadata"]["uid"])
        try:
            obj = parse(handler.kind, raw)
        except InvalidObjectError as error:
            log.warning("an object cannot be read", error=str(error))
            verdict = Verdict(False, "InvalidObject", str(error), stalled=True)
            await self._stall(raw, verdict, outcome)
            return None
        try:
            seen = await handler.observe(
                self._reader, obj, lambda needs: self._dependents.remember(key, needs)
            )
            seen, plan = await self._decide(handler, seen)
        except ForbiddenError as error:
            await self._stall(raw, refusal(error), outcome)
            raise
        live = getattr(seen, "children", Children())
        await self._applier.apply(plan.first, live, outcome)
        if outcome.refused:
            await self._stall(raw, refusal(outcome.refused[0]), outcome)
            return None
        await self._applier.apply(plan.apply, live, outcome)
        if not outcome.refused:
            # What is taken down may still be needed by what could not be put up.
            await self._applier.delete(plan.delete, outcome)
        if plan.status is None:
            return plan.again_in
        if outcome.refused:
            plan = after_refusal(plan, obj, outcome.refused[0], self._now())
        await self._finish(raw, plan, outcome)
        return plan.again_in

    async def _decide(self, handler: Handler, seen: Any) -> tuple[Any, Plan]:
        """The plan, made with sight of every child that it wants: one that exists without our
        labels was not listed."""
        asked: set[Ref] = set()
        for _ in range(ROUNDS):
            plan = handler.plan(seen, self._now())
            live = getattr(seen, "children", None)
            if not isinstance(live, Children):
                return seen, plan
            unlisted = [
                ref
                for ref in map(Ref.of, (*plan.first, *plan.apply))
                if ref not in asked and live.get(ref.kind, ref.name) is None
            ]
            asked.update(unlisted)
            found = [obj for obj in await together(*map(self._reader.get, unlisted)) if obj]
            if not found:
                return seen, plan
            seen = dataclasses.replace(seen, children=live.including(found))
        raise RuntimeError(f"the plan wants other children each of {ROUNDS} times")

    async def _finish(self, raw: Object, plan: Plan, outcome: Outcome) -> None:
        """Tell, then write the status: an Event belongs to the change from the old one."""
        cause = raw["metadata"].get("resourceVersion", "")
        await self._applier.tell(plan.events, raw, cause, outcome)
        if plan.status is not None:
            await self._applier.status(raw, plan.status.dump(), outcome)

    async def _stall(self, raw: Object, verdict: Verdict, outcome: Outcome) -> None:
        """Say in an object's status, whatever else stands there, why nothing can be done."""
        status = raw.get("status") or {}
        generation = raw["metadata"].get("generation", 0)
        old = _conditions(status)
        new = say.conditions(verdict, old, generation, self._now())
        plan = Plan(
            events=say.change_events(Status(conditions=old), Status(conditions=new)),
        )
        await self._finish(raw, plan, outcome)
        changed = {"observedGeneration": generation, "conditions": [c.dump() for c in new]}
        await self._applier.status(raw, {**status, **changed}, outcome)

    async def _gone(self, key: Ref, outcome: Outcome) -> float | None:
        self._dependents.forget(key)
        handler = self._handlers[key.kind]
        if handler.observe_gone and handler.farewell:
            left = await handler.observe_gone(self._reader, key)
            plan = handler.farewell(left, self._now())
            metadata = {"namespace": key.namespace, "name": key.name}
            if uid := self._uids.get(key):
                metadata["uid"] = uid
            about = {"apiVersion": key.api_version, "kind": key.kind, "metadata": metadata}
            await self._applier.tell(plan.events, about, "gone", outcome)
        return None

    def _remember_uid(self, key: Ref, uid: str) -> None:
        """Whose Event it is when the object is gone."""
        if len(self._uids) >= MEMORY:
            self._uids.clear()
        self._uids[key] = uid


def refusal(error: ApiError) -> Verdict:
    """What to say about an object when the API server refuses what it needs."""
    reason = "Forbidden" if isinstance(error, ForbiddenError) else "Refused"
    return Verdict(False, reason, str(error), stalled=True)


def after_refusal(plan: Plan, obj: Any, error: ApiError, now: datetime) -> Plan:
    """The plan's status and Events, with the refusal in place of the plan's own verdict."""
    status = plan.status
    if status is None:
        return plan
    generation = obj.metadata.generation
    new = say.conditions(refusal(error), obj.status.conditions, generation, now)
    verdict = {(c.reason, c.message) for c in status.conditions}
    refused = status.model_copy(update={"conditions": new})
    kept = tuple(e for e in plan.events if (e.reason, e.message) not in verdict)
    return dataclasses.replace(
        plan, status=refused, events=(*kept, *say.change_events(obj.status, refused))
    )


def _conditions(status: Mapping[str, Any]) -> list[Condition]:
    """The conditions of a status that may be of another version."""
    out = []
    for item in status.get("conditions") or ():
        try:
            out.append(Condition.model_validate(item))
        except ValidationError:
            continue
    return out
