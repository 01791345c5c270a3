"""Who may call a Storyteller, and how much of its money is used up."""

from typing import Any

import pytest

from controllers.plan import Object, Plan
from controllers.storyteller import plan
from crds.figures import Figures
from crds.gateway import GatewayConfig, GatewayReport
from crds.limits import Spend
from tests.unit.controllers.builders import NOW, condition, storyteller, world
from tests.unit.controllers.test_storyteller import RUNNING, YES, found, observe

KEYS = {"apiKeysSecretRef": {"name": "bard-keys"}}


def told(result: Plan) -> GatewayConfig:
    """What the gateways are told."""
    return GatewayConfig.model_validate_json(found(result, "ConfigMap")["data"]["gateway.json"])


def planned(spec: Object, *reports: dict[str, Any], **more: Any) -> Plan:
    """The plan of a Storyteller whose gateways say this."""
    answers = {
        f"bard-gateway-{at}": GatewayReport(
            storyteller="bard", config_generation=1, voices=[YES], quorum=True, **report
        )
        for at, report in enumerate(reports)
    }
    return plan(observe(storyteller(**spec), pods=(RUNNING,), reports=answers, **more), NOW)


def status(result: Plan) -> Any:
    return result.status


def test_without_keys_it_is_open_and_says_so() -> None:
    result = planned({}, {})
    assert status(result).access.startswith("open: whoever reaches it may call it")
    assert told(result).api_keys_dir is None
    assert condition(result).status == "True"
    volumes = found(result, "StatefulSet")["spec"]["template"]["spec"]["volumes"]
    assert "api-keys" not in [volume["name"] for volume in volumes]


def test_keys_are_mounted_and_may_be_missing() -> None:
    result = planned(KEYS, {"api_keys": 2})
    pod = found(result, "StatefulSet")["spec"]["template"]["spec"]
    volume = next(each for each in pod["volumes"] if each["name"] == "api-keys")
    (source,) = volume["projected"]["sources"]
    assert source["secret"] == {"name": "bard-keys", "optional": True}
    mount = next(e for e in pod["containers"][0]["volumeMounts"] if e["name"] == "api-keys")
    assert (mount["mountPath"], mount["readOnly"]) == (told(result).api_keys_dir, True)
    assert status(result).access == "by API key: 2 in Secret bard-keys"
    assert condition(result).status == "True"


def test_the_gateway_may_not_read_the_secret() -> None:
    rules = found(planned(KEYS, {"api_keys": 2}), "Role")["rules"]
    assert [rule["resources"] for rule in rules] == [["configmaps"]]


@pytest.mark.parametrize("reports", [[{"api_keys": 0}], [{"api_keys": 0}, {"api_keys": 0}]])
def test_while_there_is_no_key_it_is_not_ready_and_says_how_to_make_one(
    reports: list[Object],
) -> None:
    ready = condition(planned(KEYS, *reports))
    assert (ready.status, ready.reason) == ("False", "ApiKeysMissing")
    assert "fabula keys create ID --secret bard-keys" in ready.message


def test_items_that_are_no_keys_are_named() -> None:
    fault = "'odd' is no JSON; make it with fabula keys create"
    access = status(planned(KEYS, {"api_keys": 1, "key_faults": [fault]})).access
    assert access == f"by API key: 1 in Secret bard-keys; not usable: {fault}"


def test_limits_and_the_worlds_budget_reach_the_gateway() -> None:
    result = planned(
        {
            "worldRef": "emberfall",
            "limits": {"perPlayerPerMinute": 20, "dailyUSD": "300"},
            "cors": {"origins": ["https://play.example.com"]},
        },
        world=world(budget={"dailyUSD": "900", "monthlyUSD": "20000"}),
    )
    config = told(result)
    assert (config.limits.per_player_per_minute, config.limits.daily_usd) == (20, "300")
    assert (config.budget.daily_usd, config.budget.monthly_usd) == ("900", "20000")
    assert config.cors_origins == ("https://play.example.com",)


def test_the_status_shows_the_most_that_any_gateway_knows_to_be_used_up() -> None:
    def used(name: str, percent: int) -> Spend:
        return Spend(name=name, limit_usd="300", used_percent=percent)

    budgets = status(
        planned(
            {},
            {"budgets": [used("limits.dailyUSD", 40)]},
            {"budgets": [used("limits.dailyUSD", 45), used("budget.dailyUSD", 10)]},
        )
    ).budgets
    assert [(each.name, each.used_percent) for each in budgets] == [
        ("budget.dailyUSD", 10),
        ("limits.dailyUSD", 45),
    ]


def test_the_status_shows_what_the_gateway_with_the_most_outcomes_says_of_the_ensemble() -> None:
    def known(outcomes: int, voters: str | None = None) -> Figures:
        return Figures(
            task="decisions",
            outcomes=outcomes,
            worth="Unknown",
            message="unknown yet",
            effective_voters=voters,
        )

    reports: list[dict[str, Any]] = [{}, {"consensus": known(40)}, {"consensus": known(300, "1.8")}]
    assert status(planned({}, *reports)).consensus == known(300, "1.8")
    assert status(planned({}, {})).consensus is None
