"""The plan of a Storyteller: its gateways, what they are told, and what they say of the members."""

from collections.abc import Sequence
from datetime import datetime

from controllers import conditions as say
from controllers.conditions import Verdict
from controllers.diagnosis import diagnose
from controllers.observed import StorytellerGone, StorytellerObserved
from controllers.plan import Event, Object, Plan, owner, split_conflicts
from controllers.pods import service, url
from controllers.storyteller import workload
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
    if blocked is None and seen.ensemble is not None:
        try:
            desired = _objects(seen, seen.ensemble)
        except MissingTextError as missing:
            blocked = missing.verdict()
    ours, conflicts = split_conflicts(desired, seen.children, meta.uid)
    voices = _voices(seen)
    verdict = say.conflict("Storyteller", conflicts) or blocked or _judge(seen, voices)
    status = StorytellerStatus(
        observed_generation=meta.generation,
        conditions=say.conditions(verdict, storyteller.status.conditions, meta.generation, now),
        last_request=say.answer(storyteller.status, now),
        url=url(workload.gateway_name(meta.name), meta.namespace, seen.defaults.cluster_domain),
        voices=voices,
        answering=f"{sum(v.answers for v in voices)}/{len(voices)}" if voices else None,
        replicas=_replicas(seen),
        selector=workload.selector(meta.name),
    )
    return Plan(
        apply=tuple(ours),
        events=say.change_events(storyteller.status, status),
        status=status,
        again_in=PATIENCE if verdict.ready else IMPATIENCE,
    )


def farewell(gone: StorytellerGone, now: datetime) -> Plan:
    """What to say when a Storyteller is gone: which volumes it leaves behind.

    A claim with an owner is about to be deleted with it and is not named.
    """
    left = sorted(
        claim["metadata"]["name"]
        for claim in gone.claims
        if not claim["metadata"].get("ownerReferences")
        and not claim["metadata"].get("deletionTimestamp")
    )
    if not left:
        return Plan()
    message = (
        f"Storyteller {gone.name} is gone and its volumes stay: {', '.join(left)}. A Storyteller "
        "of this name goes on over them; kubectl delete pvc removes them"
    )
    return Plan(events=(Event("Normal", "VolumesRetained", message),))


def _objects(seen: StorytellerObserved, ensemble: ModelEnsemble) -> list[Object]:
    storyteller = seen.storyteller
    meta = storyteller.metadata
    owners = owner("Storyteller", API_VERSION, meta.name, meta.uid)
    name = workload.gateway_name(meta.name)
    world_policy = seen.world.spec.deletion_policy if seen.world else "Retain"
    policy = storyteller.spec.deletion_policy or world_policy
    return [
        *workload.identity(storyteller, owners),
        config_map(gateway_config(seen), owners),
        service(name, meta.namespace, workload.labels(meta.name), owners),
        # Sessions live on the volume of one gateway, so one is what runs.
        workload.stateful_set(storyteller, ensemble, policy, 1, seen.defaults, owners),
    ]


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


def _judge(seen: StorytellerObserved, voices: Sequence[Voice]) -> Verdict:
    """Whether the gateway runs, what it hears, and whether more was asked than can be."""
    asked = seen.storyteller.spec.replicas
    heard = _heard(seen, voices)
    if asked > 1 and heard.ready:
        return Verdict(
            True,
            "SingleReplicaStore",
            f"1 of {asked} gateways runs: sessions live in an embedded store that one gateway "
            f"owns; set spec.replicas to 1. {heard.message}",
            stalled=True,
        )
    return heard


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
