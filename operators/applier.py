"""Carries out a plan: apply what differs, delete, tell, write the status if it changed.

Every step may be the last one of this process; the next run does the rest.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from controllers.plan import Children, Delete, Event, Object, Ref
from controllers.stamp import APPLIED, stamped
from operators import compare
from operators.errors import (
    ApiError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
)
from operators.events import Recorder
from operators.writer import Writer

#: Objects with the same value of this label stand or fall together.
GROUP_LABEL = "fabula.dev/member"
MEMORY = 4096


@dataclass
class Outcome:
    """What a run wrote, and what was refused."""

    written: list[str] = field(default_factory=list)
    refused: list[ApiError] = field(default_factory=list)


class Applier:
    """Remembers what the API server made of each apply, so that a webhook that keeps changing a
    field is not fought over an idle object."""

    def __init__(self, writer: Writer, recorder: Recorder) -> None:
        self._writer = writer
        self._recorder = recorder
        self._made: dict[Ref, tuple[str, str]] = {}

    async def apply(self, objects: Iterable[Object], live: Children, outcome: Outcome) -> None:
        """Apply in order what does not stand already.

        What the API server refuses holds back the rest of the same member, or, where it belongs to
        no member, everything after it; the refusals are in the outcome.
        """
        held: set[str] = set()
        for desired in objects:
            group = desired["metadata"].get("labels", {}).get(GROUP_LABEL, "")
            if group and group in held:
                continue
            try:
                await self._apply(desired, live, outcome)
            except (ForbiddenError, InvalidError) as error:
                outcome.refused.append(error)
                if not group:
                    return
                held.add(group)

    async def _apply(self, desired: Object, live: Children, outcome: Outcome) -> None:
        wanted = stamped(desired)
        ref = Ref.of(wanted)
        found = live.get(ref.kind, ref.name)
        if found is not None and (
            compare.stands(wanted, found) or self._made.get(ref) == _made(wanted, found)
        ):
            return
        if found is not None:
            # Bound to the object that was looked at, not to a later one of the same name.
            wanted = {**wanted, "metadata": {**wanted["metadata"], "uid": found["metadata"]["uid"]}}
        answer = await self._writer.apply(wanted)
        if len(self._made) >= MEMORY:
            self._made.clear()
        self._made[ref] = _made(wanted, answer)
        outcome.written.append(f"apply {ref}")

    async def delete(self, deletes: Iterable[Delete], outcome: Outcome) -> None:
        """Delete, each bound to the uid that was seen."""
        for item in deletes:
            try:
                await self._writer.delete(item.ref, item.uid)
            except (NotFoundError, ConflictError):
                continue
            except (ForbiddenError, InvalidError) as error:
                outcome.refused.append(error)
                continue
            outcome.written.append(f"delete {item.ref}")

    async def tell(
        self, events: Iterable[Event], about: Object, cause: str, outcome: Outcome
    ) -> None:
        """Post Events about an object. One that cannot be posted changes nothing else."""
        for event in events:
            try:
                posted = await self._recorder.post(event, about, cause)
            except (ForbiddenError, InvalidError, NotFoundError, ConflictError) as error:
                self._recorder.failed(error)
                continue
            if posted:
                outcome.written.append(f"event {event.reason}")

    async def status(self, raw: Object, status: Object, outcome: Outcome) -> None:
        """Write a status if it is not the observed one. `request` is others' and never touched."""
        wanted = _without_request(status)
        if wanted == _without_request(raw.get("status") or {}):
            return
        ref = Ref.of(raw)
        uid = raw["metadata"]["uid"]
        body = {
            "apiVersion": ref.api_version,
            "kind": ref.kind,
            "metadata": {"name": ref.name, "namespace": ref.namespace, "uid": uid},
            "status": wanted,
        }
        try:
            await self._writer.apply_status(body)
        except (NotFoundError, ConflictError):
            # Deleted, or deleted and made again, since it was read: its next event tells.
            return
        outcome.written.append("status")


def _without_request(status: Object) -> Object:
    return {key: value for key, value in status.items() if key != "request"}


def _made(wanted: Object, live: Object) -> tuple[str, str]:
    """What was asked, and what came of it, so that a later change by anybody shows. Changes of
    status do not count where the object has a generation."""
    meta = live["metadata"]
    version = meta.get("generation") or meta.get("resourceVersion", "")
    marks = [meta.get(key) for key in ("uid", "labels", "annotations", "ownerReferences")]
    asked: str = wanted["metadata"]["annotations"][APPLIED]
    return asked, json.dumps([version, *marks], sort_keys=True)
