"""The route table of an ensemble and the ConfigMap that carries it to the gateways."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import ValidationError

from controllers.conditions import timestamp
from controllers.ensemble.rollout.phases import UNDER_WAY
from controllers.ensemble.variants import Way, ways
from controllers.ensemble.workload import ensemble_labels
from controllers.plan import Object
from controllers.pods import child
from crds.engines import Engine
from crds.ensemble import FULL, Consensus, Member, ModelEnsemble, Sampling, Serving
from crds.gateway import KEYS_DIR
from crds.rollout import Analysis, Rollout, RolloutStatus, Testers
from crds.routes import ROUTES_KEY, Route, RouteTable, Served, Shadowing, Split

#: When the table last changed. What it no longer names is taken down a little later.
CHANGED = "fabula.dev/routes-changed-at"


def config_map_name(ensemble: str) -> str:
    return f"{ensemble}-routes"


def route(versioned: Member, way: Way, rev: str, url: str | None, patience: int) -> Route:
    """How to ask a member in one way.

    Args:
        versioned: the member as it was at the revision that serves: engine, role, sampling.
        way: as it is in the spec: weight, price, timeout, accuracy and cost apply at once.
        rev: the revision that serves.
        url: base of its API inside the cluster; None for a hosted engine.
        patience: the ensemble's own timeout in seconds.
    """
    member = way.member
    hosted = versioned.engine.hosted
    key = hosted.api_key_secret_ref if hosted else None
    return Route(
        member=member.name,
        variant=way.variant,
        revision=rev,
        weight=member.weight,
        engine=versioned.engine.kind,
        model=hosted.model if hosted else member.name,
        url=hosted.base_url if hosted else url,
        key_file=f"{KEYS_DIR}/{way.key_folder}/{key.key}" if key else None,
        key_secret=key.name if key else None,
        accuracy=way.accuracy,
        relative_cost=way.relative_cost,
        role=versioned.role,
        sampling=versioned.sampling or Sampling(),
        timeout_seconds=min(member.timeout_seconds or patience, patience),
        context_tokens=context_tokens(versioned.engine),
        price=member.price,
    )


def context_tokens(engine: Engine) -> int | None:
    """Tokens that one conversation may have in a pod; None: the spec does not say."""
    if engine.llamacpp:
        return engine.llamacpp.context_tokens // engine.llamacpp.parallel
    return engine.vllm.context_tokens if engine.vllm else None


def joined(ways: Sequence[Route]) -> Route | None:
    """One route for all ways to ask a member; None where it cannot be asked. The member itself
    comes first; where it is stopped, the most accurate of the others."""
    if not ways:
        return None
    first = ways[0]
    if first.variant != FULL:
        first = max(ways, key=lambda way: float(way.accuracy))
    others = [_served(way) for way in ways if way is not first]
    return first.model_copy(update={"variants": others})


def split(
    status: RolloutStatus | None,
    canary: Route | None,
    policy: Rollout | None = None,
    matures_seconds: int | None = None,
) -> Split | None:
    """How sessions are divided, from the first step of a rollout to its last, and which of them are
    watched after that.

    Args:
        status: the rollout as it is now.
        canary: how to ask the member at its new revision; None where that may not be asked.
        policy: `spec.rollout`.
        matures_seconds: when what games post of a session is final.
    """
    if status is None:
        return None
    how = (policy and policy.analysis) or Analysis()
    if status.phase == "Promoted" and status.watch and status.watch.traffic_percent:
        return Split(
            salt=status.watch_salt,
            member=status.member,
            percent=0,
            watched_seconds=how.window_seconds,
            matures_seconds=matures_seconds,
            slow_above_ms=how.slow_above_milliseconds,
            promoted_percent=status.watch.traffic_percent,
        )
    if status.phase not in UNDER_WAY or status.step == 0:
        return None
    ways = [_served(canary), *canary.variants] if canary else []
    testers = (policy and policy.testers) or Testers()
    shadow = policy.shadow if policy else None
    return Split(
        salt=status.salt,
        member=status.member,
        percent=status.traffic_percent,
        canary=ways,
        watched_seconds=how.window_seconds if status.plan else None,
        matures_seconds=matures_seconds if status.plan else None,
        slow_above_ms=how.slow_above_milliseconds if status.plan else None,
        testers=testers.names,
        players=testers.players,
        shadow=Shadowing(percent=shadow.percent, judge=shadow.judge) if shadow else None,
    )


def _served(way: Route) -> Served:
    return Served(**way.said())


def minimum_votes(consensus: Consensus, members: Sequence[Member]) -> int:
    """Answers that a decision needs: declared, or half of the members that run and count, rounded
    up. The first one is enough where that is the method."""
    if consensus.method == "First":
        return 1
    voters = sum(
        member.weight > 0 and not all(way.stopped for way in ways(member)) for member in members
    )
    return consensus.minimum_votes or max(1, math.ceil(voters / 2))


def table(ensemble: ModelEnsemble, routes: list[Route], split: Split | None = None) -> RouteTable:
    """The table that gateways follow."""
    consensus = ensemble.spec.consensus
    return RouteTable(
        ensemble=ensemble.metadata.name,
        generation=ensemble.metadata.generation,
        method=consensus.method,
        judge=consensus.judge,
        prose=consensus.prose,
        timeout_seconds=consensus.timeout_seconds,
        minimum_votes=minimum_votes(consensus, ensemble.spec.members),
        when_no_quorum=consensus.when_no_quorum,
        minimum_confidence_percent=consensus.minimum_confidence_percent,
        serving=ensemble.spec.serving or Serving(),
        routes=routes,
        split=split,
    )


def config_map(
    wanted: RouteTable, live: Object | None, namespace: str, owners: list[Object], now: datetime
) -> Object:
    """The ConfigMap with the table. Its time of change moves only with its content."""
    text = wanted.model_dump_json(by_alias=True, exclude_none=True, indent=1)
    changed = timestamp(now)
    if live is not None and (live.get("data") or {}).get(ROUTES_KEY) == text:
        changed = (live["metadata"].get("annotations") or {}).get(CHANGED, changed)
    return child(
        "v1",
        "ConfigMap",
        config_map_name(wanted.ensemble),
        namespace,
        labels=ensemble_labels(wanted.ensemble),
        annotations={CHANGED: changed},
        owners=owners,
        data={ROUTES_KEY: text},
    )


def asked(live: Object | None, since: datetime) -> frozenset[tuple[str, str]] | None:
    """Members and the revisions that gateways ask of them, if the table has said so since then;
    None where they may ask others."""
    known = read(live)
    marks = (live or {}).get("metadata", {}).get("annotations") or {}
    if known is None or CHANGED not in marks or datetime.fromisoformat(marks[CHANGED]) > since:
        return None
    found = {(route.member, way.revision) for route in known.routes for way in route.ways}
    if known.split:
        found |= {(known.split.member, way.revision) for way in known.split.canary}
    return frozenset(found)


def age(obj: Object, now: datetime) -> timedelta:
    """How long the table has been as it is."""
    return now - datetime.fromisoformat(obj["metadata"]["annotations"][CHANGED])


def read(live: Object | None) -> RouteTable | None:
    """The table in a live ConfigMap; None where there is none that can be read, which is then
    written anew."""
    if live is None:
        return None
    try:
        return RouteTable.model_validate_json((live.get("data") or {}).get(ROUTES_KEY, ""))
    except ValidationError:
        return None
