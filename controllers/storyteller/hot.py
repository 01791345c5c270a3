"""Where a Storyteller keeps its sessions: in the hot store of its World, or on the volume.

A World that drops its hot store would leave every session behind in Redis, since none moves back.
So the gateways go on with the one they use until a person says that it may be left.
"""

from dataclasses import replace

from controllers.conditions import Said, Verdict, unanswered
from controllers.observed import StorytellerObserved
from controllers.plan import Object
from controllers.storyteller import workload
from crds.common import LEAVE_SESSIONS
from crds.world import Redis


def store(seen: StorytellerObserved) -> Redis | None:
    """The hot store to use. None: sessions are on the volume."""
    named = _named(seen)
    if named is not None or leaves(seen):
        return named
    return _used(seen)


def leaves(seen: StorytellerObserved) -> bool:
    """Whether a person asks, and was not answered yet, to leave the sessions of a hot store that no
    World names any more."""
    asked = unanswered(seen.storyteller.status) == LEAVE_SESSIONS
    return asked and _named(seen) is None and _used(seen) is not None


def said(seen: StorytellerObserved) -> Said | None:
    """What becomes of sessions that a person asks to leave."""
    if not leaves(seen):
        return None
    return Said(message="the gateways leave their sessions in Redis and go on from the volume")


def told(verdict: Verdict, seen: StorytellerObserved) -> Verdict:
    """The verdict, and that a hot store was dropped that is used still."""
    used = store(seen)
    if used is None or _named(seen) is not None:
        return verdict
    world, name = seen.storyteller.spec.world_ref, seen.storyteller.metadata.name
    where = f"World {world}" if world else "no World"
    names = "names no hot store" if world else "names one"
    ask = f'{{"status":{{"request":{{"action":"{LEAVE_SESSIONS}","id":"WORD"}}}}}}'
    message = (
        f"{where} {names} any more, and the gateways go on with the Redis of Secret "
        f"{used.address_secret_ref.name}: their sessions are there, and none moves back. Set "
        "spec.stores.hot.redis of the World again, or leave the sessions: kubectl patch st "
        f"{name} --subresource=status --type=merge -p '{ask}'. {verdict.message}"
    )
    reason = "HotStoreDropped" if verdict.ready else verdict.reason
    return replace(verdict, reason=reason, message=message, stalled=True)


def _named(seen: StorytellerObserved) -> Redis | None:
    return seen.world.spec.redis if seen.world else None


def _used(seen: StorytellerObserved) -> Redis | None:
    """The hot store that the gateways were last told to use."""
    meta = seen.storyteller.metadata
    live = seen.children.owned_by(meta.uid).get("StatefulSet", workload.gateway_name(meta.name))
    if live is None:
        return None
    volumes: list[Object] = live["spec"]["template"]["spec"].get("volumes", [])
    for volume in volumes:
        if volume["name"] == workload.HOT_VOLUME:
            secret = volume["projected"]["sources"][0]["secret"]
            ref = {"name": secret["name"], "key": secret["items"][0]["key"]}
            return Redis.model_validate({"addressSecretRef": ref})
    return None
