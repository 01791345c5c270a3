"""Good manifests: what people will write is taken, defaulted, shown, scaled and shared."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import devcluster
from crds import KINDS, Kind
from crds.definition import root_schema
from crds.schema import Schema
from tests.api.examples import (
    ENSEMBLE,
    EXPERIMENT,
    STORYTELLER,
    WORLD,
    Object,
    changed,
    fetched,
    hosted,
    manifest,
    member,
    variant,
    vllm,
)
from tests.api.server import API, Server

ROOT = Path(__file__).parents[2]
EXAMPLES = [
    pytest.param(document, id=f"{path.name}: {document['kind']}")
    for path in sorted((ROOT / "examples").rglob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
    if document and document.get("apiVersion", "").startswith("fabula.dev/")
]

DIGEST = f"sha256:{'a' * 64}"
PRICE = {"inputPerMillionUSD": "2.5", "outputPerMillionUSD": "10"}

GOOD = [
    WORLD,
    ENSEMBLE,
    STORYTELLER,
    changed(WORLD, "metadata.name", "w" * 24),
    changed(WORLD, "spec", {"title": "Émbers & 灰", "deletionPolicy": "Delete"}),
    changed(WORLD, "spec.lore.configMapRef", {"name": "lore", "key": "lore.md"}),
    manifest("ModelEnsemble", "one", {"members": [member("a")]}),
    manifest("ModelEnsemble", "full", {"members": [member(f"m{i}") for i in range(16)]}),
    manifest("ModelEnsemble", "some-zero", {"members": [member("a", weight=0), member("b")]}),
    manifest(
        "ModelEnsemble",
        "mixed",
        {
            "worldRef": "emberfall",
            "members": [
                member(
                    "small",
                    role="Look after the weather.",
                    sampling={"temperature": "0.7", "topP": "1", "seed": 7},
                    resources={"requests": {"cpu": "250m"}, "limits": {"cpu": 1, "memory": "1Gi"}},
                    scaling={"minReplicas": 0},
                    modelCache={"sizeLimit": "2Gi"},
                ),
                vllm("large", gpus=2, tolerations=[{"operator": "Exists"}]),
                vllm("larger", gpus="2", nodeSelector={"nvidia.com/gpu.product": "H100"}),
                hosted("first", "openai", weight=4),
                hosted("second", "anthropic", timeoutSeconds=30),
                hosted("third", "google", price=PRICE),
                member("priced", price=PRICE | {"cachedPerMillionUSD": "0.012345"}),
            ],
            "consensus": {"minimumVotes": 6, "whenNoQuorum": "Fallback"},
        },
    ),
    changed(ENSEMBLE, "spec.consensus", {"method": "Judge", "judge": "sage"}),
    changed(ENSEMBLE, "spec.consensus", {"method": "Fuse", "judge": "bard", "minimumVotes": 2}),
    changed(ENSEMBLE, "spec.consensus", {"method": "First", "minimumVotes": 1}),
    changed(
        ENSEMBLE,
        "spec.consensus",
        {"method": "LogOdds", "minimumVotes": 2, "minimumConfidencePercent": 60},
    ),
    changed(ENSEMBLE, "spec.consensus.minimumConfidencePercent", 60),
    changed(ENSEMBLE, "spec.consensus.prose", "Cluster"),
    manifest(
        "ModelEnsemble",
        "varied",
        {
            "members": [
                vllm(
                    "sage",
                    variants=[
                        variant("quantized", accuracy="0.98", resources={"limits": {"cpu": 2}}),
                        vllm("distilled", gpus=2, accuracy="0.95", relativeCost="0.1"),
                        vllm("other", gpus="2", accuracy="1", relativeCost="12.5"),
                        hosted("cloud", "openai", accuracy="0", relativeCost="0"),
                    ],
                ),
                hosted("oracle", "google", variants=[variant("here", scaling={"minReplicas": 2})]),
            ],
            "serving": {"prefer": "Cost", "minimumAccuracy": "0.95", "targetMilliseconds": 300},
        },
    ),
    changed(ENSEMBLE, "spec.serving", {}),
    changed(ENSEMBLE, "spec.serving", {"hedging": {}}),
    changed(ENSEMBLE, "spec.serving", {"prefer": "Latency", "hedging": {"maxPercent": 50}}),
    changed(
        ENSEMBLE,
        "spec.rollout",
        {
            "steps": [
                {"trafficPercent": 5, "pauseMinutes": 10},
                {"trafficPercent": 5, "waitFor": "Person"},
                {"trafficPercent": 50, "pauseMinutes": 10080},
            ],
            "rollbackWindowMinutes": 0,
        },
    ),
    changed(
        ENSEMBLE,
        "spec.rollout",
        {
            "steps": [{"trafficPercent": 5, "pauseMinutes": 10}],
            "guardrails": [
                {"metric": "member-errors"},
                {"metric": "member-slow", "marginPoints": "2.5"},
                {"metric": "d3-retention", "marginPoints": "99.999999"},
                {"metric": "quit-early", "budgetPoints": "1"},
                {"metric": "fallbacks", "marginPoints": "2.5", "budgetPoints": "2.5"},
            ],
            "analysis": {"slowAboveMilliseconds": 800},
            "whenInconclusive": "RollBack",
            "whenDrifting": "Alert",
        },
    ),
    changed(
        ENSEMBLE,
        "spec.rollout",
        {"steps": [{"trafficPercent": 5, "pauseMinutes": 10}], "guardrails": [], "analysis": {}},
    ),
    changed(
        ENSEMBLE,
        "spec.rollout",
        {
            "steps": [{"trafficPercent": 0, "waitFor": "Person"}],
            "testers": {"names": ["ann", "QA.team_1-b"], "players": ["Mara the Émber"]},
        },
    ),
    changed(
        ENSEMBLE,
        "spec.rollout",
        {
            "steps": [{"trafficPercent": 0, "pauseMinutes": 60}],
            "shadow": {"percent": 100, "judge": ENSEMBLE["spec"]["members"][0]["name"]},
            "guardrails": [{"metric": "judge-preference", "marginPoints": "10"}],
        },
    ),
    changed(
        ENSEMBLE,
        "spec",
        {
            "members": [
                {**ENSEMBLE["spec"]["members"][0], "scaling": {"minReplicas": 2}},
            ],
            "rollout": {"steps": [{"trafficPercent": 5, "pauseMinutes": 10}], "surge": 0},
        },
    ),
    changed(
        WORLD,
        "spec.freezeWindows",
        [
            {
                "name": "weekend-raids",
                "weekly": {
                    "days": ["Friday", "Saturday"],
                    "start": "18:00",
                    "hours": 54,
                    "timeZone": "Europe/Paris",
                },
            },
            {
                "name": "launch",
                "once": {"starts": "2026-12-01T00:00:00Z", "ends": "2026-12-04T00:00:00Z"},
            },
        ],
    ),
    changed(
        WORLD,
        "spec.metrics",
        [
            {"name": "gold", "direction": "HigherIsBetter", "low": "-50", "high": "150.5"},
            {"name": "quit-early", "direction": "LowerIsBetter"},
            {"name": "d3-retention", "direction": "HigherIsBetter", "maturesAfterMinutes": 40320},
            {"name": "price-index", "direction": "LowerIsBetter", "scope": "Market"},
        ],
    ),
    changed(
        WORLD,
        "spec",
        {
            "metrics": [
                {
                    "name": "quests-failed",
                    "direction": "LowerIsBetter",
                    "low": "0",
                    "high": "0.1",
                    "prometheus": {
                        "query": 'sum(increase(x{rollout="$rollout",arm="$arm"}[$window]))'
                    },
                }
            ],
            "prometheus": {"address": "http://prometheus.monitoring:9090/prom", "lagSeconds": 45},
        },
    ),
    changed(WORLD, "spec.prometheus", {"address": "https://[::1]:9090", "windowSeconds": 15}),
    changed(STORYTELLER, "spec.decisionLog", {"storage": 1073741824}),
    changed(STORYTELLER, "spec.decisionLog", {"retentionDays": 400}),
    changed(STORYTELLER, "spec.cache.exact", {}),
    changed(STORYTELLER, "spec.cache.exact", {"ttlMinutes": 10080}),
    changed(STORYTELLER, "spec.cache.semantic", {}),
    changed(STORYTELLER, "spec.cache", {"exact": {}, "semantic": {"minSimilarity": "0.8"}}),
    changed(changed(STORYTELLER, "spec.worldRef", "emberfall"), "spec.replicas", 9),
    changed(WORLD, "spec.budget", {"dailyUSD": "900", "monthlyUSD": "20000.50"}),
    changed(STORYTELLER, "spec.apiKeysSecretRef", {"name": "storyteller-keys"}),
    changed(STORYTELLER, "spec.limits", {"perPlayerPerMinute": 20, "dailyUSD": "0"}),
    changed(STORYTELLER, "spec.cors.origins", ["https://play.example", "http://localhost:3000"]),
    changed(STORYTELLER, "spec.fallback.lines", ["The bard coughs."] * 2),
    changed(WORLD, "spec.stores.hot.redis.addressSecretRef", {"name": "redis", "key": "url"}),
    changed(WORLD, "spec.stores", {}),
    changed(WORLD, "spec.tunables", []),
    changed(
        WORLD,
        "spec.tunables",
        [
            {"name": "permadeath", "type": "Boolean", "default": "false", "locked": True},
            {
                "name": "quest-gold",
                "type": "Integer",
                "default": "120",
                "bounds": {"min": "50", "max": "300", "maxStep": "20"},
                "description": "Gold for a long quest.",
            },
            {"name": "debt", "type": "Integer", "default": "-9", "bounds": {"min": "-9"}},
            {"name": "big", "type": "Integer", "default": "9" * 15, "bounds": {"max": "9" * 15}},
            {"name": "fall", "type": "Number", "default": "0.25", "bounds": {"max": "0.250000"}},
            {"name": "whole", "type": "Number", "default": "3", "bounds": {"maxStep": "0.5"}},
            {"name": "hour", "type": "String", "default": "dusk", "oneOf": ["dusk", "dawn", ""]},
            {"name": "motto", "type": "String", "default": "“12.5” é\n"},
            {"name": "loot", "type": "Object", "default": '{"ore": {"iron": 3}}'},
            # JSON is the operator's to check: it says so in the status.
            {"name": "broken", "type": "Object", "default": "{"},
        ],
    ),
    changed(
        WORLD,
        "spec.tunables",
        [
            {
                "name": f"t{i}",
                "type": "String",
                "default": "é" * 128,
                "oneOf": [f"{n}" * 64 for n in range(10, 41)] + ["é" * 128],
            }
            for i in range(128)
        ],
    ),
    changed(
        WORLD,
        "spec.config",
        {
            "replicas": 9,
            "apiKeysSecretRef": {"name": "keys"},
            "perKeyPerMinute": 600,
            "cors": {"origins": ["https://play.example"]},
        },
    ),
    changed(
        STORYTELLER,
        "spec.sessions",
        {"contextTokens": 512, "handover": "Truncate", "expireAfterHours": 8760},
    ),
    fetched("https://models.example:8443/a/bard-1.0.gguf", digest=DIGEST),
    fetched("http://10.0.0.1/bard.tar.gz", digest=DIGEST, sizeLimit="100Gi"),
    fetched("s3://models-1/bard/v1.gguf", digest=DIGEST, credentialsSecretRef={"name": "s3"}),
    fetched(f"oci://registry.example:5000/a/bard:v1@{DIGEST}", credentialsSecretRef={"name": "p"}),
    fetched("mlflow:emberfall.bard@champion"),
    fetched("mlflow:bard/12", sizeLimit=1073741824),
    changed(
        WORLD,
        "spec.models",
        {
            "mlflow": {
                "url": "http://mlflow:5000",
                "credentialsSecretRef": {"name": "mlflow"},
                "pollSeconds": 10,
            },
            "claims": {"storageClassName": "fast", "accessMode": "ReadWriteMany"},
        },
    ),
    changed(WORLD, "spec.models", {}),
    EXPERIMENT,
    manifest(
        "EvolutionExperiment",
        "whole",
        {
            "worldRef": "emberfall",
            "hypothesis": "More gold, more joy.",
            "expectedEffect": {"metric": "quit", "points": "0"},
            "changes": [
                {"tunable": {"name": "quest-gold", "value": "140"}},
                {"tunable": {"name": "motto", "value": ""}},
            ],
            "objective": {"metric": "joy", "minimumEffectPoints": "0.5"},
            "guardrails": [{"metric": "quit"}, {"metric": "fallbacks", "marginPoints": "99.9"}],
            "canary": {
                "steps": [1, 1, 50],
                "stepMinutes": 1,
                "windowSeconds": 86400,
                "maxPairs": 10,
                "deadlineMinutes": 1,
                "rollbackSeconds": 4,
            },
            "promotion": {"approval": "Automatic"},
            "whenInconclusive": "RollBack",
        },
    ),
    changed(EXPERIMENT, "spec.canary", {}),
    changed(WORLD, "spec.cohorts", [{"name": "minors", "description": "Players under 18."}]),
    changed(EXPERIMENT, "spec.exclude", ["minors"]),
    changed(
        EXPERIMENT,
        "spec.changes",
        [
            {
                "prompt": {
                    "storyteller": "bard",
                    "name": name,
                    "configMapRef": {"name": "verse", "key": name},
                }
            }
            for name in ("system.j2", "user.j2")
        ],
    ),
    changed(STORYTELLER, "spec.image", "mirror.local:5000/gateway:v1@sha256:" + "a" * 64),
]


@pytest.mark.parametrize("manifest", GOOD, ids=lambda m: f"{m['kind']} {m['metadata']['name']}")
def test_is_taken(server: Server, manifest: Object) -> None:
    answer = server.check(manifest)
    assert answer.accepted, answer.message


@pytest.mark.parametrize("manifest", EXAMPLES)
def test_the_examples_are_taken(server: Server, manifest: Object) -> None:
    answer = server.check(manifest)
    assert answer.accepted, answer.message


def test_defaults_are_written_but_never_into_lists(server: Server) -> None:
    world = server.check({key: value for key, value in WORLD.items() if key != "spec"})
    assert world.body["spec"] == {"deletionPolicy": "Retain"}
    ensemble = server.check(ENSEMBLE)
    assert ensemble.body["spec"]["members"] == ENSEMBLE["spec"]["members"]
    assert ensemble.body["spec"]["consensus"]["timeoutSeconds"] == 20
    steps = [{"trafficPercent": 5, "pauseMinutes": 1}]
    rolled = server.check(changed(ENSEMBLE, "spec.rollout", {"steps": steps}))
    assert rolled.body["spec"]["rollout"] == {
        "steps": steps,
        "rollbackWindowMinutes": 60,
        "surge": 1,
        "progressDeadlineMinutes": 60,
        "whenInconclusive": "Pause",
        "whenDrifting": "RollBack",
    }
    judged = server.check(changed(ENSEMBLE, "spec.rollout", {"steps": steps, "analysis": {}}))
    assert judged.body["spec"]["rollout"]["analysis"] == {
        "windowSeconds": 600,
        "maxPairs": 5000,
        "deadlineMinutes": 1440,
    }
    experiment = server.check(changed(EXPERIMENT, "spec.canary", {}))
    assert experiment.body["spec"]["canary"] == {
        "stepMinutes": 1440,
        "windowSeconds": 600,
        "maxPairs": 5000,
        "deadlineMinutes": 1440,
        "rollbackSeconds": 30,
    }
    storyteller = server.check(STORYTELLER)
    assert storyteller.body["spec"]["decisionLog"] == {"storage": "1Gi"}
    assert storyteller.body["spec"]["sessions"] == {
        "contextTokens": 8192,
        "handover": "Summarize",
        "expireAfterHours": 72,
    }


def test_two_appliers_share_the_members(server: Server) -> None:
    def apply(manager: str, *members: Object) -> Object:
        mine = manifest("ModelEnsemble", "shared", {"members": list(members)})
        answer = server.apply(mine, manager)
        assert answer.accepted, answer.message
        return answer.body

    apply("game-team", member("bard"))
    apply("ops-team", member("sage", weight=3))
    both = apply("game-team", member("bard", weight=2))
    weights = {each["name"]: each.get("weight") for each in both["spec"]["members"]}
    assert weights == {"bard": 2, "sage": 3}
    alone = apply("ops-team")
    assert [each["name"] for each in alone["spec"]["members"]] == ["bard"]


def test_one_applier_cannot_take_the_others_field_unasked(server: Server) -> None:
    mine = manifest("ModelEnsemble", "contested", {"members": [member("bard", weight=2)]})
    theirs = manifest("ModelEnsemble", "contested", {"members": [member("bard", weight=3)]})
    assert server.apply(mine, "game-team").accepted
    refused = server.apply(theirs, "ops-team")
    assert refused.status == 409
    assert '.spec.members[name="bard"].weight' in refused.message


def test_the_volume_may_stay_as_it_is_while_the_rest_changes(server: Server) -> None:
    old = changed(
        changed(STORYTELLER, "metadata.name", "steady"), "spec.decisionLog", {"storage": "2Gi"}
    )
    server.create(old)
    answer = server.call(
        "PATCH", server.path("storytellers", "steady"), {"spec": {"ensembleRef": "others"}}
    )
    assert answer.accepted, answer.message


def test_an_experiment_keeps_its_spec_while_it_runs_and_only_then(server: Server) -> None:
    server.create(changed(EXPERIMENT, "metadata.name", "steadfast"))
    path = server.path("evolutionexperiments", "steadfast")
    operator = server.acting_as(
        "system:serviceaccount:fabula-system:fabula-operator", "system:serviceaccounts"
    )
    for phase, kept in (
        ("Waiting", False),
        ("Running", True),
        ("Paused", True),
        ("AwaitingApproval", True),
        ("Promoting", True),
        ("RolledBack", False),
        ("Promoted", False),
    ):
        said = operator.call("PATCH", f"{path}/status", {"status": {"phase": phase}})
        assert said.accepted, said.message
        edit = {"spec": {"hypothesis": f"Another one, {phase}."}}
        answer = server.call("PATCH", path, edit, dryRun="All")
        assert answer.accepted != kept, answer.message
        if kept:
            assert "an experiment that runs keeps its spec" in answer.message
            assert "Abort in status.request" in answer.message
        label = {"metadata": {"labels": {"team": phase.lower()}}}
        assert server.call("PATCH", path, label).accepted


def test_a_storyteller_scales(server: Server) -> None:
    server.create(changed(changed(STORYTELLER, "metadata.name", "choir"), "spec.worldRef", "w"))
    path = server.path("storytellers", "choir", "scale")
    scale = server.call("PATCH", path, {"spec": {"replicas": 2}})
    assert scale.body["spec"] == {"replicas": 2}
    beyond = server.call("PATCH", path, {"spec": {"replicas": 10}})
    assert "spec.replicas" in beyond.message


def test_objects_are_selected_by_what_they_refer_to(server: Server) -> None:
    for name in ("of-a", "of-b"):
        server.create(changed(changed(STORYTELLER, "metadata.name", name), "spec.worldRef", name))
    path = server.path("storytellers")
    found = server.call("GET", path, fieldSelector="spec.worldRef=of-b").body
    assert [item["metadata"]["name"] for item in found["items"]] == ["of-b"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.names.kind)
def test_the_api_server_finds_no_fault_with_the_definition(
    server: Server, kind: type[Kind]
) -> None:
    crd = server.call(
        "GET",
        f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{kind.names.plural}.fabula.dev",
    ).body
    conditions = {each["type"]: each["status"] for each in crd["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions


def test_kubectl_knows_the_short_names_and_the_category(server: Server) -> None:
    found = {each["name"]: each for each in server.call("GET", API).body["resources"]}
    assert {plural: found[plural]["shortNames"] for plural in found if "/" not in plural} == {
        "worlds": ["wld"],
        "modelensembles": ["me"],
        "storytellers": ["st"],
        "evolutionexperiments": ["ee"],
    }
    assert all(found[kind.names.plural]["categories"] == ["fabula"] for kind in KINDS)


def explain(cluster: devcluster.Cluster, field: str) -> str:
    done = subprocess.run(
        cluster.argv("kubectl", "explain", "--recursive=false", field),
        env=cluster.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "field",
    [
        "world.spec",
        "modelensemble.spec",
        "modelensemble.spec.members",
        "modelensemble.spec.members.engine",
        "modelensemble.spec.members.engine.llamacpp",
        "modelensemble.spec.consensus",
        "modelensemble.spec.rollout",
        "modelensemble.spec.rollout.steps",
        "modelensemble.spec.rollout.guardrails",
        "modelensemble.spec.rollout.analysis",
        "modelensemble.spec.rollout.testers",
        "modelensemble.spec.rollout.shadow",
        "modelensemble.status.rollout",
        "modelensemble.status.members",
        "storyteller.spec",
        "storyteller.status",
        "storyteller.status.audit",
        "storyteller.status.prompts",
        "world.status.promoted",
        "evolutionexperiment.spec",
        "evolutionexperiment.spec.changes.tunable",
        "evolutionexperiment.spec.changes.prompt",
        "evolutionexperiment.spec.canary",
        "evolutionexperiment.status",
    ],
)
@pytest.mark.usefixtures("server")
def test_kubectl_explain_is_the_manual(cluster: devcluster.Cluster, field: str) -> None:
    name, *path = field.split(".")
    kind = next(kind for kind in KINDS if kind.names.kind.lower() == name)
    schema: Schema = root_schema(kind)
    for step in path:
        schema = schema["properties"][step]
        schema = schema.get("items", schema)
    text = explain(cluster, field)
    for child, described in schema["properties"].items():
        assert child in text
        assert described["description"] in text


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.names.kind)
def test_kubectl_get_answers_at_a_glance(server: Server, kind: type[Kind]) -> None:
    table: dict[str, Any] = json.loads(
        server.http.get(
            server.path(kind.names.plural),
            headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"},
        ).text
    )
    assert [column["name"] for column in table["columnDefinitions"]] == [
        "Name",
        *(column.name for column in kind.columns),
    ]
