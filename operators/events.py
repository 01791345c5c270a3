"""Kubernetes Events: what changed, for people. One that was posted before a kill is not posted
again: its name comes from what it says, and an annotation tells which observation caused it."""

import hashlib
from collections.abc import Callable
from datetime import datetime

import structlog

from controllers.conditions import clip, timestamp
from controllers.plan import Event, Object, Ref
from operators.errors import ApiError
from operators.writer import Writer

log = structlog.get_logger(__name__)

CAUSE = "fabula.dev/cause"
COMPONENT = "fabula"
#: The API server's own limit on a note.
MAX_MESSAGE = 1024


class Recorder:
    """Posts Events.

    Args:
        instance: the operator that reports, for people who run several.
        now: the time.
    """

    def __init__(self, writer: Writer, instance: str, now: Callable[[], datetime]) -> None:
        self._writer = writer
        self._instance = instance
        self._now = now

    async def post(self, event: Event, about: Object, cause: str) -> bool:
        """Post, or count up the same Event where it happened before. False where this very cause
        has been told already."""
        body = event_object(event, about, cause, self._instance, self._now())
        if await self._writer.create(body) is not None:
            return True
        ref = Ref.of(body)
        # The operator may create and patch Events, not read them: an empty patch changes nothing.
        live = await self._writer.merge_patch(ref, {})
        if (live["metadata"].get("annotations") or {}).get(CAUSE) == cause:
            return False
        await self._writer.merge_patch(
            ref,
            {
                "count": int(live.get("count") or 1) + 1,
                "lastTimestamp": body["lastTimestamp"],
                "metadata": {"annotations": {CAUSE: cause}},
            },
        )
        return True

    def failed(self, error: ApiError) -> None:
        """An Event is a courtesy: what cannot be told is logged."""
        log.warning("an Event was not posted", error=str(error))


def event_object(event: Event, about: Object, cause: str, instance: str, now: datetime) -> Object:
    """The Event about an object, named by what it says."""
    meta = about["metadata"]
    message = clip(event.message, MAX_MESSAGE)
    said = "\0".join((meta.get("uid", ""), event.type, event.reason, message))
    digest = hashlib.sha256(said.encode()).hexdigest()[:16]
    involved = {
        "apiVersion": about["apiVersion"],
        "kind": about["kind"],
        "namespace": meta["namespace"],
        "name": meta["name"],
    }
    if uid := meta.get("uid"):
        involved |= {"uid": uid}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{meta['name']}.{digest}",
            "namespace": meta["namespace"],
            "annotations": {CAUSE: cause},
        },
        "involvedObject": involved,
        "type": event.type,
        "reason": event.reason,
        "message": message,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": clip(instance, 128),
        "firstTimestamp": timestamp(now),
        "lastTimestamp": timestamp(now),
        "count": 1,
    }
