"""What the promotions of each member may have cost since their anchor, and whose next rollout does
not fit any more.

The accounts are a ConfigMap of their own, which outlasts rollouts; the status shows them rounded,
and where the ConfigMap is gone they go on from there. An account is about the revisions that its
last promotion gave: a member that came to others without proof is another one, and its account
begins anew. The arithmetic is that of `controllers.delivery.margins`.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import ValidationError

from controllers.delivery import margins
from controllers.delivery.plan import AnalysisPlan, Metric
from controllers.ensemble.rollout.lines import Line, Revisions
from controllers.ensemble.rollout.phases import new_of, old_of
from controllers.ensemble.rollout.terms import Terms
from controllers.ensemble.workload import ensemble_labels
from controllers.plan import Object
from controllers.pods import child
from crds.base import Model
from crds.ensemble import MemberStatus
from crds.rollout import Judged, MarginUse, RolloutStatus

KEY = "margins.json"


class Used(Model):
    """What was used up of one metric."""

    #: Its mean at the anchor, as the verdict had it.
    reference: str
    #: As a share of the metric's range.
    spent: float


class Account(Model):
    """What was used up of one member's margins."""

    #: What it is about, by variant.
    revisions: dict[str, str]
    metrics: dict[str, Used] = {}
    #: Salt of the last promotion that counts, and what was before it.
    rollout: str = ""
    before: "Account | None" = None

    def about(self, revisions: Revisions) -> bool:
        """Whether it is about these, as far as they have a variant in common."""
        return all(revisions.get(way, rev) == rev for way, rev in self.revisions.items())


class Accounts(Model):
    """All members' accounts, by name."""

    version: Literal[1] = 1
    members: dict[str, Account] = {}

    def used(self, member: str) -> Mapping[str, Used]:
        """What was used up of one member's margins, by metric."""
        account = self.members.get(member)
        return account.metrics if account else {}


def config_map_name(ensemble: str) -> str:
    return f"{ensemble}-margins"


def read(
    stored: Object | None,
    status: Iterable[MemberStatus],
    tried: RolloutStatus | None,
    lines: Iterable[Line],
) -> Accounts:
    """The accounts as they are stored, or, where they are gone, as the status shows them.

    Args:
        stored: the live ConfigMap.
        status: of the members.
        tried: the last rollout.
        lines: members that run.
    """
    try:
        return Accounts.model_validate_json(((stored or {}).get("data") or {}).get(KEY, ""))
    except ValidationError:
        shown = {each.name: each.margins for each in status if each.margins}
    found = {}
    for line in lines:
        metrics = {
            each.metric: Used(reference=each.reference, spent=float(each.spent_points) / 100)
            for each in shown.get(line.name, ())
        }
        if metrics:
            counted = tried is not None and _is_promoted(tried, line)
            salt = tried.salt if tried and counted else ""
            found[line.name] = Account(revisions=dict(line.stable), metrics=metrics, rollout=salt)
    return Accounts(members=found)


def settle(
    accounts: Accounts, tried: RolloutStatus | None, lines: Iterable[Line], terms: Terms
) -> Accounts:
    """The accounts with the last promotion in them. That of a member which came to what it has
    without proof is closed."""
    found = {
        line.name: _settled(accounts.members.get(line.name), tried, line, terms.whole)
        for line in lines
    }
    return Accounts(members={name: each for name, each in found.items() if each})


def _settled(
    account: Account | None, tried: RolloutStatus | None, line: Line, plan: AnalysisPlan | None
) -> Account | None:
    has = dict(line.stable)
    if tried and _is_promoted(tried, line) and (not account or account.rollout != tried.salt):
        if not tried.proven:
            return None
        if plan is None:
            return account  # until it is known again which metrics these are
        known = account and account.about({**has, **old_of(tried)})
        return _with_promotion(account if known else None, tried, has, plan)
    return account if account and account.about(has) else None


def _is_promoted(tried: RolloutStatus, line: Line) -> bool:
    """Whether the member has what this rollout promoted. A return that was given up has no step."""
    return (
        tried.member == line.name
        and tried.step > 0
        and tried.phase in {"Promoted", "Complete"}
        and new_of(tried).items() <= dict(line.stable).items()
    )


def _with_promotion(
    account: Account | None, tried: RolloutStatus, has: dict[str, str], plan: AnalysisPlan
) -> Account:
    before = account.metrics if account else {}
    judged = {each.name: each for each in tried.verdict.metrics} if tried.verdict else {}
    return Account(
        revisions=has,
        metrics={
            metric.name: _used(before.get(metric.name), metric, judged[metric.name])
            for metric in plan.metrics
            if metric.name in judged
        },
        rollout=tried.salt,
        before=account and account.model_copy(update={"before": None}),
    )


def _used(before: Used | None, metric: Metric, judged: Judged) -> Used:
    margin = metric.margin.absolute if metric.margin else 0.0
    bound = judged.upper if metric.better == "Lower" else judged.lower
    worse = margin if bound is None else float(bound) * (1 if metric.better == "Lower" else -1)
    spent, cost = before.spent if before else 0.0, min(worse, margin) / metric.span
    new = judged.canary if spent + cost < 0 else before.reference if before else judged.baseline
    return Used(reference=new or "unknown", spent=margins.after(spent, cost))


def returned(accounts: Accounts, tried: RolloutStatus) -> Accounts:
    """The accounts where the last promotion was taken back."""
    members = dict(accounts.members)
    account = members.get(tried.member)
    if account and account.rollout == tried.salt:
        del members[tried.member]
        if account.before:
            members[tried.member] = account.before
    return Accounts(members=members)


def anchored(accounts: Accounts) -> Accounts:
    """The accounts where how everyone is now is accepted."""
    begun: dict[str, object] = {"metrics": {}, "before": None}
    return Accounts(
        members={name: each.model_copy(update=begun) for name, each in accounts.members.items()}
    )


def unfit(accounts: Accounts, lines: Iterable[Line], terms: Terms) -> Mapping[str, str]:
    """Members whose next rollout does not fit into what is left, and what to say of it. The way
    back to what was before the last promotion is open."""
    found = {}
    for line in lines:
        account = accounts.members.get(line.name)
        told = [*_unfit(account, terms)] if account else []
        back = account and account.before and account.before.about(line.wanted)
        if told and not back:
            found[line.name] = "; ".join(told)
    return found


def _unfit(account: Account, terms: Terms) -> Iterable[str]:
    for metric in terms.whole.metrics if terms.whole else ():
        used = account.metrics.get(metric.name)
        margin = metric.margin.absolute / metric.span if metric.margin else 0.0
        left = margins.left(terms.budgets[metric.name], used.spent) if used else math.inf
        if used and margin > left + 1e-9:
            less = f"set marginPoints to {_down(left)} at most, " if left >= 0.0001 else ""
            yield (
                f"promotions since {metric.name} was {used.reference} may have made it "
                f"{_up(used.spent)} points worse of {100 * terms.budgets[metric.name]:g} that they "
                f"may, and a margin of {100 * margin:g} does not fit; {less}raise budgetPoints, or "
                "accept how it is with Anchor"
            )


def shown(metrics: Mapping[str, Used], terms: Terms) -> list[MarginUse]:
    """An account as the status shows it."""
    return [
        MarginUse(
            metric=name,
            reference=used.reference,
            spent_points=_up(used.spent),
            budget_points=f"{100 * terms.budgets[name]:g}",
        )
        for name, used in metrics.items()
        if name in terms.budgets
    ]


def config_map(ensemble: str, namespace: str, accounts: Accounts, owners: list[Object]) -> Object:
    """The ConfigMap with the accounts."""
    return child(
        "v1",
        "ConfigMap",
        config_map_name(ensemble),
        namespace,
        labels=ensemble_labels(ensemble),
        owners=owners,
        data={KEY: accounts.model_dump_json(exclude_none=True, by_alias=True)},
    )


def _up(share: float) -> str:
    """In points, rounded up to hundredths."""
    return f"{math.ceil(round(share * 1e4, 6)) / 100:g}"


def _down(share: float) -> str:
    return f"{math.floor(round(share * 1e4, 6)) / 100:g}"
