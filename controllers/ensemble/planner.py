"""The plan of a ModelEnsemble: its members' pods, the route table, and what to say."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from controllers import conditions as say
from controllers.conditions import Verdict
from controllers.ensemble import routes
from controllers.ensemble.members import MemberPlan, line_of, plan_member
from controllers.ensemble.models import locate, needless
from controllers.ensemble.retire import LINGER, retire
from controllers.ensemble.revision import digest
from controllers.ensemble.rollout import analysis, budget, record, smoke, watch
from controllers.ensemble.rollout.budget import Accounts
from controllers.ensemble.rollout.decide import Decision, decide
from controllers.ensemble.rollout.phases import SENT_BACK, UNDER_WAY
from controllers.ensemble.rollout.terms import agreed
from controllers.ensemble.rollout.turn import Around
from controllers.ensemble.workload import ensemble_labels
from controllers.freeze import frozen
from controllers.observed import EnsembleObserved
from controllers.plan import Conflicts, Event, Object, Plan, owner, split_groups
from crds.common import API_VERSION
from crds.ensemble import (
    MemberStatus,
    ModelEnsembleSpec,
    ModelEnsembleStatus,
    Serving,
    VariantStatus,
)
from crds.rollout import RolloutStatus
from crds.routes import ROUTES_KEY

#: Seconds between looks while something is not as it should be: pods tell why they wait only when
#: asked.
IMPATIENCE = 3.0


def plan(seen: EnsembleObserved, now: datetime) -> Plan:
    """What to do about a ModelEnsemble."""
    ensemble = seen.ensemble
    meta = ensemble.metadata
    if meta.deletion_timestamp:
        return Plan()
    owners = owner("ModelEnsemble", API_VERSION, meta.name, meta.uid)
    own = seen.children.owned_by(meta.uid)
    live_table = own.get("ConfigMap", routes.config_map_name(meta.name))
    before = routes.read(live_table)
    routed: dict[str, dict[str, str]] = {}
    for route in before.routes if before else []:
        routed[route.member] = {way.variant: way.revision for way in route.ways}

    mine = replace(seen, children=own)
    in_use = routes.asked(live_table, now - LINGER)
    models = locate(seen, own, routed, owners, now)
    policy, tried = ensemble.spec.rollout, ensemble.status.rollout
    terms = agreed(policy, seen.world, seen.defaults.prometheus)
    stored = own.get("ConfigMap", analysis.config_map_name(meta.name))
    judged = sight = None
    if policy and tried:
        judged = analysis.judge(
            terms, policy, tried, stored, seen.observations, now, seen.prometheus
        )
        tried = tried.model_copy(update={"verdict": judged.verdict}) if judged else tried
        sight = watch.look(terms, policy, tried, stored, seen.observations)
        tried = tried.model_copy(update={"watch": sight.watch}) if sight else tried
    lines = [
        line_of(each, models.ways[each.name], mine, routed.get(each.name, {}))
        for each in ensemble.spec.members
    ]
    ledger = own.get("ConfigMap", budget.config_map_name(meta.name))
    accounts = budget.read(ledger, ensemble.status.members, tried, lines)
    accounts = budget.settle(accounts, tried, lines, terms)
    asked = say.unanswered(ensemble.status)
    around = Around(
        unfit=budget.unfit(accounts, lines, terms),
        smoke=smoke.look(tried, own, seen.pods),
        frozen=frozen(seen.world.spec.freeze_windows, now) if seen.world else None,
        to=ensemble.status.request.to if ensemble.status.request else None,
    )
    rollout = decide(policy, tried, lines, asked, meta.uid, now, terms, around)
    if rollout.anchored:
        accounts = budget.anchored(accounts)
    if rollout.undone and tried:
        accounts = budget.returned(accounts, tried)
    members = [
        plan_member(
            each,
            models.ways[each.name],
            mine,
            routed.get(each.name, {}),
            owners,
            rollout.courses.get(each.name),
            in_use,
        )
        for each in ensemble.spec.members
    ]
    canary = next((member.canary for member in members if member.canary), None)
    may_be_asked = any(course.asked for course in rollout.courses.values())
    table = routes.config_map(
        routes.table(
            ensemble,
            [member.route for member in members if member.route],
            routes.split(
                rollout.status,
                canary if may_be_asked else None,
                policy,
                terms.matures_seconds,
            ),
        ),
        live_table,
        meta.namespace,
        owners,
        now,
    )
    desired = [obj for member in members for obj in member.objects] + [table]
    groups = [*(m.objects for m in members), (table,), *((obj,) for obj in models.objects)]
    if rollout.asks and rollout.status and canary and not smoke.asked(rollout.status, own):
        question = smoke.job(
            rollout.status, meta.name, meta.namespace, canary, seen.defaults, owners
        )
        groups.append((question,))
    ours, conflicts = split_groups(groups, seen.children, meta.uid)
    answer = say.answer(ensemble.status, now, rollout.said)
    first: list[Object] = []
    if ledger or accounts.members:
        first.append(budget.config_map(meta.name, meta.namespace, accounts, owners))
        first, foreign = split_groups([first], seen.children, meta.uid)
        conflicts += foreign
    looked = judged.known if judged else sight.known if sight else None
    counted = looked or analysis.opening(terms, rollout.status, stored)
    if known := counted or record.standing(rollout.status, stored):
        known = record.logged(known, rollout.status, answer, now)
        name, tags = analysis.config_map_name(meta.name), ensemble_labels(meta.name)
        evidence = record.config_map(name, meta.namespace, known, tags, owners)
        kept, foreign = split_groups([[evidence]], seen.children, meta.uid)
        conflicts += foreign
        (first if counted else ours).extend(kept)
    keys = [way.key for found in models.ways.values() for way in found]
    deletes, linger = retire(own, desired, keys, now)
    deletes += [*models.delete, *needless(models, own, desired, routes.age(table, now))]
    deletes += smoke.needless([rollout.status, ensemble.status.rollout], own)

    verdict = _verdict(seen, members, conflicts, rollout, terms.fault)
    status = ModelEnsembleStatus(
        observed_generation=meta.generation,
        conditions=say.conditions(verdict, ensemble.status.conditions, meta.generation, now),
        last_request=answer,
        members=[
            _with_share(member.status, rollout.status).model_copy(
                update={"margins": budget.shown(accounts.used(member.status.name), terms)}
            )
            for member in members
        ],
        members_ready=f"{sum(_answers(m.status) for m in members)}/{len(members)}",
        routes=digest(table["data"][ROUTES_KEY]),
        serving=_rule(ensemble.spec),
        rollout=rollout.status,
    )
    waits = [wait for wait in (linger, models.again_in, rollout.again_in) if wait]
    if any(member.moving for member in members):
        waits.append(IMPATIENCE)
    if analysis.is_open(rollout.status, terms) or watch.is_on(rollout.status, terms):
        waits.append(seen.asked_again_in or terms.every)
    settled = rollout.status is not None and rollout.status.phase in {
        "Stepping",
        "Paused",
        "Promoted",
    }
    if not verdict.ready or (verdict.reconciling and not (settled or rollout.frozen)):
        waits.append(IMPATIENCE)
    return Plan(
        first=tuple(first),
        apply=tuple(ours),
        delete=tuple(deletes),
        events=(
            *say.change_events(ensemble.status, status),
            *models.events,
            *_member_events(ensemble.status.members, status.members),
            *_rollout_events(ensemble.status.rollout, status.rollout),
            *_anchor_events(ensemble.status.members, accounts),
            *_overridden(rollout),
        ),
        status=status,
        again_in=min(waits, default=None),
    )


def _rule(spec: ModelEnsembleSpec) -> str | None:
    """Which variant is asked, in words; None where no member has any."""
    if not any(member.variants for member in spec.members):
        return None
    return (spec.serving or Serving()).words


def _with_share(status: MemberStatus, rollout: RolloutStatus | None) -> MemberStatus:
    """The member with the share of sessions that its new revision has, where it is the canary."""
    if rollout is None or rollout.member != status.name or rollout.phase not in UNDER_WAY:
        return status
    return status.model_copy(update={"traffic_percent": rollout.traffic_percent})


def _answers(status: MemberStatus) -> bool:
    """Whether the member can answer, in whichever way."""
    return any(part.condition == "Hosted" or part.serving is not None for _, part in _parts(status))


def _parts(status: MemberStatus) -> list[tuple[str, VariantStatus]]:
    """The member and its variants, by what a person calls them."""
    variants = [(f"{status.name}/{variant.name}", variant) for variant in status.variants]
    return [(status.name, status), *variants]


def _verdict(
    seen: EnsembleObserved,
    members: Sequence[MemberPlan],
    conflicts: Conflicts,
    decided: Decision,
    unjudged: str | None,
) -> Verdict:
    """The first thing that a person should know."""
    rollout = decided.status
    if blocked := say.conflict("ModelEnsemble", conflicts):
        return blocked
    if seen.ensemble.spec.world_ref and seen.world is None:
        return Verdict(
            False,
            "WorldNotFound",
            f"spec.worldRef names World {seen.ensemble.spec.world_ref}, which is not there; create "
            "it and this goes on by itself",
            reconciling=True,
        )
    failing = [fault for member in members for fault in member.faults]
    if failing:
        told = "; ".join(f"{label}: {fault.message}" for label, fault in failing)
        return Verdict(False, failing[0][1].reason, told, stalled=True)
    silent = [member.status for member in members if not _answers(member.status)]
    waiting = [
        (label, part)
        for status in silent
        for label, part in _parts(status)
        if part.condition != "Stopped"
    ]
    total = len(members)
    if waiting:
        told = "; ".join(f"{label}: {part.message}" for label, part in waiting)
        return Verdict(False, "MembersStarting", told, reconciling=True)
    if len(silent) == total:
        return Verdict(
            False,
            "AllStopped",
            "every member has scaling.minReplicas 0; raise it for one",
            stalled=True,
        )
    if unjudged and rollout and rollout.phase in UNDER_WAY:
        return Verdict(True, "GuardrailUnknown", unjudged, stalled=True)
    if rollout and (rollout.phase in UNDER_WAY or rollout.phase == "Returning"):
        return Verdict(True, "RollingOut", f"{rollout.member}: {rollout.message}", reconciling=True)
    parts = [part for member in members for part in _parts(member.status)]
    if held := [part for part in parts if part[1].condition == "HeldBack"]:
        told = "; ".join(f"{label}: {part.message}" for label, part in held)
        return Verdict(True, "HeldBack", told, stalled=True)
    if rollout and rollout.phase == "Promoted" and rollout.watch and rollout.watch.drifted:
        return Verdict(True, "Drifted", f"{rollout.member}: {rollout.message}", stalled=True)
    if decided.unfit:
        return Verdict(True, "MarginSpent", "; ".join(decided.unfit), stalled=True)
    if rolling := [part for part in parts if part[1].condition in {"RollingOut", "Starting"}]:
        told = "; ".join(f"{label}: {part.message}" for label, part in rolling)
        return Verdict(True, "RollingOut", told, reconciling=True)
    count = total - len(silent)
    return Verdict(True, "MembersReady", f"{count} of {total} members can answer")


def _member_events(old: Sequence[MemberStatus], new: Sequence[MemberStatus]) -> tuple[Event, ...]:
    """An Event for each member or variant whose serving revision changed."""
    before = {label: part.serving for status in old for label, part in _parts(status)}
    return tuple(
        Event("Normal", "MemberServing", f"{label} answers with revision {part.serving}")
        for status in new
        for label, part in _parts(status)
        if part.condition != "Hosted" and part.serving and part.serving != before.get(label)
    )


def _overridden(rollout: Decision) -> tuple[Event, ...]:
    """An Event for what a person had go on in a freeze."""
    if rollout.overridden is None or rollout.said is None:
        return ()
    return (Event("Warning", "FreezeOverridden", f"a person was heard: {rollout.said.message}"),)


def _rollout_events(old: RolloutStatus | None, new: RolloutStatus | None) -> tuple[Event, ...]:
    """An Event for each step and phase of a rollout, and for drift."""
    if new is None or (
        old
        and (old.number, old.phase, old.step) == (new.number, new.phase, new.step)
        and _drifted(old) == _drifted(new)
    ):
        return ()
    if new.phase == "Promoted" and _drifted(new):
        return (Event("Warning", "RolloutDrifted", f"{new.member}: {new.message}"),)
    harmed = new.phase == "Aborted" and new.verdict and new.verdict.kind in SENT_BACK
    bad = harmed or (new.phase in {"Returning", "Undone", "Complete"} and _drifted(new))
    type_: Literal["Normal", "Warning"] = "Warning" if bad else "Normal"
    return (Event(type_, f"Rollout{new.phase}", f"{new.member}: {new.message}"),)


def _drifted(status: RolloutStatus) -> bool:
    return status.watch is not None and bool(status.watch.drifted)


def _anchor_events(old: Sequence[MemberStatus], accounts: Accounts) -> tuple[Event, ...]:
    """An Event for each member whose account begins anew."""
    told = "what promotions may cost is counted anew, from how it is now"
    return tuple(
        Event("Normal", "MarginsAnchored", f"{status.name}: {told}")
        for status in old
        if status.margins and not accounts.used(status.name)
    )
