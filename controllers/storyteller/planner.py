"""The plan of a Storyteller: its gateways, what they are told, and what they say of the members."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from controllers import conditions as say
from controllers.conditions import Verdict
from controllers.diagnosis import diagnose
from controllers.observed import StorytellerGone, StorytellerObserved
from controllers.plan import Delete, Event, Object, Plan, leaving, owner, split_conflicts
from controllers.pods import service, url
from controllers.storyteller import audit, hot, rollout, templates, workload
from controllers.storyteller.callers import access, budgets, figures, locked_out
from controllers.storyteller.config import config_map, gateway_config
from controllers.texts import MissingTextError
from crds.common import API_VERSION
from crds.ensemble import ModelEnsemble
from crds.storyteller import StorytellerStatus, Voice

#: Seconds between looks at the gateways' reports: when all is well, and when it is not.
PATIENCE, IMPATIENCE = 10.0, 2.0


def plan(seen: StorytellerObserved, now: datetime) -> Plan:
    """What to do about a Storyteller."""
    storyteller = seen.storyteller
    meta = storyteller.metadata
    if meta.deletion_timestamp:
        return Plan()
    blocked = _missing(seen)
    desired: list[Object] = []
    held: templates.Held | None = None
    if blocked is None and seen.ensemble is not None:
        try:
            held = templates.hold(seen)
            desired = _objects(seen, seen.ensemble, held)
        except MissingTextError as missing:
            blocked = missing.verdict()
    ours, conflicts = split_conflicts(desired, seen.children, meta.uid)
    if conflicts:  # nothing is promoted whose text could not be kept
        held = None
    voices = _voices(seen)
    logs = audit.join(storyteller.status.audit, seen.reports, meta.namespace, meta.name, now)
    verdict = say.conflict("Storyteller", conflicts) or blocked
    if verdict is None:
        verdict = hot.told(_judge(seen, voices), seen)
        verdict = rollout.told(verdict, desired, seen.children)
    before = storyteller.status
    tried = templates.looked_at(seen, held) if held else before.tried
    status = StorytellerStatus(
        observed_generation=meta.generation,
        conditions=[
            *say.conditions(verdict, storyteller.status.conditions, meta.generation, now),
            *audit.conditions(logs, storyteller.status.conditions, meta.generation, now),
        ],
        last_request=say.answer(storyteller.status, now, hot.said(seen)),
        url=url(workload.gateway_name(meta.name), meta.namespace, seen.defaults.cluster_domain),
        voices=voices,
        audit=logs,
        answering=f"{sum(v.answers for v in voices)}/{len(voices)}" if voices else None,
        access=access(storyteller, list(seen.reports.values())),
        budgets=budgets(seen.reports.values()),
        consensus=figures(seen.reports.values()),
        prompts=held.shown if held else before.prompts,
        promoted=list(held.promoted) if held else before.promoted,
        tried=tried,
        replicas=_replicas(seen),
        selector=workload.selector(meta.name),
    )
    return Plan(
        apply=tuple(ours),
        delete=_needless(seen, desired) if desired else (),
        events=(
            *say.change_events(storyteller.status, status),
            *audit.change_events(storyteller.status, status),
            *(held.events if held else ()),
        ),
        status=status,
        again_in=PATIENCE
        if verdict.ready and (not held or len(tried) == len(held.tried))
        else IMPATIENCE,
    )


def farewell(gone: StorytellerGone, now: datetime) -> Plan:
    """What to say when a Storyteller is gone: which volumes it leaves behind.

    A claim with an owner is about to be deleted with it and is not named.
    """
    left = sorted(
        claim["metadata"]["name"]
        for claim in gone.claims
        if not claim["metadata"].get("ownerReferences") and not leaving(claim)
    )
    if not left:
        return Plan()
    message = (
        f"Storyteller {gone.name} is gone and its volumes stay: {', '.join(left)}. A Storyteller "
        "of this name goes on over them; kubectl delete pvc removes them"
    )
    return Plan(events=(Event("Normal", "VolumesRetained", message),))


def _objects(
    seen: StorytellerObserved, ensemble: ModelEnsemble, held: templates.Held
) -> list[Object]:
    storyteller = seen.storyteller
    meta = storyteller.metadata
    owners = owner("Storyteller", API_VERSION, meta.name, meta.uid)
    name = workload.gateway_name(meta.name)
    world_policy = seen.world.spec.deletion_policy if seen.world else "Retain"
    policy = storyteller.spec.deletion_policy or world_policy
    shared = hot.store(seen)
    # Without a hot store sessions live on the volume of one gateway, so one is what runs.
    replicas = storyteller.spec.replicas if shared and _has_moved(seen) else 1
    return [
        *workload.identity(storyteller, owners),
        config_map(gateway_config(seen, held), owners),
        *templates.config_map(seen, held, owners),
        service(name, meta.namespace, workload.labels(meta.name), owners, grpc=True),
        *([workload.peers(storyteller, owners)] if shared else []),
        *([workload.disruption_budget(storyteller, owners)] if replicas > 1 else []),
        workload.stateful_set(
            storyteller, ensemble, policy, replicas, shared, seen.defaults, owners
        ),
    ]


def _has_moved(seen: StorytellerObserved) -> bool:
    """Whether no gateway keeps sessions on its volume. One that ran alone has moved them into the
    hot store that the World now names once it says that it uses that."""
    stores = [report.store for report in seen.reports.values()]
    name = workload.gateway_name(seen.storyteller.metadata.name)
    running = seen.children.get("StatefulSet", name)
    if running is not None and running["spec"].get("replicas") == 1:
        return any(store.kind == "Redis" and store.reason is None for store in stores)
    return all(store.kind == "Redis" for store in stores)


def _needless(seen: StorytellerObserved, desired: Sequence[Object]) -> tuple[Delete, ...]:
    """What only several gateways need, where there are not several any more."""
    meta = seen.storyteller.metadata
    wanted = {(obj["kind"], obj["metadata"]["name"]) for obj in desired}
    shared = (
        ("Service", workload.peers_name(meta.name)),
        ("PodDisruptionBudget", workload.gateway_name(meta.name)),
    )
    own = seen.children.owned_by(meta.uid)
    found = [own.get(kind, name) for kind, name in shared if (kind, name) not in wanted]
    return tuple(Delete.of(obj) for obj in found if obj and not leaving(obj))


def _missing(seen: StorytellerObserved) -> Verdict | None:
    spec = seen.storyteller.spec
    for field, kind, name, found in (
        ("worldRef", "World", spec.world_ref, seen.world),
        ("ensembleRef", "ModelEnsemble", spec.ensemble_ref, seen.ensemble),
    ):
        if name and found is None:
            return Verdict(
                False,
                f"{kind}NotFound",
                f"spec.{field} names {kind} {name}, which is not there; create it and this goes "
                "on by itself",
                reconciling=True,
            )
    return None


def _voices(seen: StorytellerObserved) -> list[Voice]:
    """Each member as the gateways see it; one that any gateway hears answers."""
    best: dict[str, Voice] = {}
    for _, report in sorted(seen.reports.items()):
        for voice in report.voices:
            known = best.get(voice.name)
            if known is None or (voice.answers and not known.answers):
                best[voice.name] = _explained(voice, seen)
    return [best[name] for name in sorted(best)][:16]


def _explained(voice: Voice, seen: StorytellerObserved) -> Voice:
    """A missing key is named from the spec, so that what a gateway says is not taken for it."""
    if voice.reason != "MissingKey" or seen.ensemble is None:
        return voice
    for member in seen.ensemble.spec.members:
        if member.name == voice.name and (hosted := member.engine.hosted):
            ref = hosted.api_key_secret_ref
            message = (
                f"Secret {ref.name} with key {ref.key} is not there; create it: kubectl create "
                f"secret generic {ref.name} --from-file={ref.key}=FILE"
            )
            return voice.model_copy(update={"message": message})
    return voice


def _prompts(seen: StorytellerObserved, heard: Verdict) -> Verdict:
    """What a gateway that refuses the templates says, where all else is well."""
    refused = next(
        (report.prompts_refused for report in seen.reports.values() if report.prompts_refused), None
    )
    if refused is None or not heard.ready or seen.storyteller.spec.prompts is None:
        return heard
    name = seen.storyteller.spec.prompts.config_map_ref.name
    return Verdict(
        True,
        "PromptsRefused",
        f"ConfigMap {name} is not used, and what members were told before still is: {refused}; "
        f"mend it, fabula prompts lint finds more. {heard.message}",
        stalled=True,
    )


def _judge(seen: StorytellerObserved, voices: Sequence[Voice]) -> Verdict:
    """Whether the gateway runs, what it hears, and whether more was asked than can be."""
    spec = seen.storyteller.spec
    heard = _prompts(seen, _store(seen) or _heard(seen, voices))
    if spec.replicas == 1 or not heard.ready:
        return heard
    if hot.store(seen) is None:
        return Verdict(
            True,
            "SingleReplicaStore",
            f"1 of {spec.replicas} gateways runs: sessions live in an embedded store that one "
            f"gateway owns; set spec.stores.hot.redis of World {spec.world_ref}, or set "
            f"spec.replicas to 1. {heard.message}",
            stalled=True,
        )
    running = sum(_pod_ready(pod) for pod in seen.pods)
    if running < spec.replicas:
        message = f"{heard.message}; {running} of {spec.replicas} gateways are ready"
        return replace(heard, message=message, reconciling=True)
    return heard


def _store(seen: StorytellerObserved) -> Verdict | None:
    """What keeps every gateway from keeping sessions. A missing Secret is named from the World, so
    that what a gateway says is not taken for it."""
    shared = hot.store(seen)
    stores = [report.store for report in seen.reports.values()]
    if shared is None or not stores or not all(store.reason for store in stores):
        return None
    if any(store.reason == "MissingSecret" for store in stores):
        ref = shared.address_secret_ref
        return Verdict(
            False,
            "SecretNotFound",
            f"Secret {ref.name} with key {ref.key}, the address of the hot store, is not there; "
            f"create it: kubectl create secret generic {ref.name} "
            f"--from-literal={ref.key}=redis://HOST:6379",
            reconciling=True,
        )
    why = next(store.message for store in stores if store.reason)
    return Verdict(
        False,
        "StoreUnreachable",
        f"the gateways run and keep no sessions: {why}; mend Redis or correct the address in "
        f"Secret {shared.address_secret_ref.name}",
    )


def _heard(seen: StorytellerObserved, voices: Sequence[Voice]) -> Verdict:
    if not any(_pod_ready(pod) for pod in seen.pods):
        if fault := diagnose(seen.pods):
            return Verdict(False, fault.reason, fault.message, stalled=True)
        return Verdict(False, "GatewayStarting", "the gateway is starting", reconciling=True)
    if not seen.reports:
        return Verdict(
            False, "GatewaySilent", "the gateway runs but does not report", reconciling=True
        )
    generation = seen.storyteller.metadata.generation
    if any(report.config_generation < generation for report in seen.reports.values()):
        return Verdict(
            False, "GatewayConfiguring", "the gateway is taking up the new spec", reconciling=True
        )
    if closed := locked_out(seen.storyteller, list(seen.reports.values())):
        return closed
    total = len(voices)
    silent = [voice for voice in voices if not voice.answers]
    told = "; ".join(f"{v.name}: {v.message or v.reason or 'does not answer'}" for v in silent)
    summary = f"{total - len(silent)} of {total} members answer"
    if not voices or len(silent) == total:
        why = told or "the route table is empty"
        return Verdict(
            False, "NoMemberAnswers", f"the fallback is told, because no member answers: {why}"
        )
    if not all(report.quorum for report in seen.reports.values()):
        return Verdict(
            False,
            "QuorumLost",
            f"{summary}, too few for a vote; mend the others or lower consensus.minimumVotes of "
            f"the ensemble. {told}".rstrip(),
        )
    if any(voice.reason == "MissingKey" for voice in silent):
        return Verdict(False, "SecretNotFound", f"{summary}; {told}", reconciling=True)
    if silent:
        return Verdict(True, "QuorumAnswers", f"{summary}; {told}")
    return Verdict(True, "AllMembersAnswer", summary)


def _pod_ready(pod: Object) -> bool:
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in pod.get("status", {}).get("conditions", [])
    )


def _replicas(seen: StorytellerObserved) -> int:
    found = seen.children.get("StatefulSet", workload.gateway_name(seen.storyteller.metadata.name))
    return int(found.get("status", {}).get("replicas", 0)) if found else 0
