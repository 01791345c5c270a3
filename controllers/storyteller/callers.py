"""What a status says of those who call: whether they need a key, and how much of the money is
used up."""

from collections.abc import Iterable, Sequence

from controllers.conditions import Verdict
from crds.figures import Figures
from crds.gateway import GatewayReport
from crds.limits import Spend
from crds.storyteller import Storyteller


def access(storyteller: Storyteller, reports: Sequence[GatewayReport]) -> str | None:
    """Who may call it, in words. None: it is not known yet."""
    ref = storyteller.spec.api_keys_secret_ref
    if ref is None:
        return "open: whoever reaches it may call it; spec.apiKeysSecretRef asks for keys"
    if not reports:
        return None
    keys = min(report.api_keys or 0 for report in reports)
    faults = sorted({fault for report in reports for fault in report.key_faults})
    told = f"by API key: {keys} in Secret {ref.name}"
    return f"{told}; not usable: {', '.join(faults)}"[:600] if faults else told


def locked_out(storyteller: Storyteller, reports: Sequence[GatewayReport]) -> Verdict | None:
    """Keys are asked for, and nobody has one."""
    ref = storyteller.spec.api_keys_secret_ref
    if ref is None or any(report.api_keys != 0 for report in reports):
        return None
    return Verdict(
        False,
        "ApiKeysMissing",
        f"every call is refused, because Secret {ref.name} is not there or holds no usable key; "
        f"make one: fabula keys create ID --secret {ref.name} | kubectl apply --server-side "
        "--field-manager=ID -f -",
        reconciling=True,
    )


def figures(reports: Iterable[GatewayReport]) -> Figures | None:
    """What outcomes say of the ensemble, as the gateway with the most of them has it."""
    known = [report.consensus for report in reports if report.consensus is not None]
    return max(known, key=lambda each: each.outcomes, default=None)


def budgets(reports: Iterable[GatewayReport]) -> list[Spend]:
    """How much of each cap is used up, as the gateway that knows most has it."""
    most: dict[str, Spend] = {}
    for report in reports:
        for spend in report.budgets:
            known = most.get(spend.name)
            if known is None or spend.used_percent > known.used_percent:
                most[spend.name] = spend
    return [most[name] for name in sorted(most)][:8]
