"""Models by uri: resolved, fetched once a digest, and nothing that runs changes before that."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from controllers.ensemble import plan
from controllers.ensemble.models import KEEP, REST
from controllers.observed import EnsembleObserved
from controllers.plan import Children, Object, Plan, owner
from crds.ensemble import ModelEnsemble
from crds.world import World
from tests.unit.controllers.builders import (
    DEFAULTS,
    NOW,
    condition,
    ensemble,
    live,
    llamacpp,
    world,
)

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
MLFLOW = {"mlflow": {"url": "http://mlflow:5000", "credentialsSecretRef": {"name": "mlflow"}}}
CHAMPION = {"uri": "mlflow:bard@champion"}
Reports = dict[str, Object]


def by_uri(uri: str = "https://models.example/bard.gguf", **more: Any) -> Object:
    """A member whose model is fetched."""
    known = {} if uri.startswith(("mlflow:", "oci:")) else {"digest": A}
    return llamacpp("bard", engine={"llamacpp": {"model": {"uri": uri, **known, **more}}})


class Cluster:
    """An ensemble, and a cluster that does what a plan says; Jobs end as a test says."""

    def __init__(self, *members: Object, models: Object | None = None, **spec: Any) -> None:
        self.world: World | None = world(models=models) if models else world()
        self.children = Children()
        self.pods: list[Object] = []
        self.now: datetime = NOW
        self.ready = 1
        self.said: Object = {}
        self.told: list[str] = []
        self.edit(*members, **spec)

    def edit(self, *members: Object, **spec: Any) -> None:
        self.spec: Object = {"members": members, "spec": spec}

    @property
    def ensemble(self) -> ModelEnsemble:
        spec = {"worldRef": "emberfall", **self.spec["spec"]}
        return ensemble(*self.spec["members"], status=self.said, **spec)

    def look(self) -> Plan:
        """One look, and what it does."""
        seen = EnsembleObserved(
            ensemble=self.ensemble,
            defaults=DEFAULTS,
            world=self.world,
            children=self.children,
            pods=tuple(self.pods),
        )
        result = plan(seen, self.now)
        before = self.children
        self.children = live(result, before, lambda _: self.ready)
        self._age_and_collect()
        assert result.status
        self.said = result.status.dump()
        self.told += [event.message for event in result.events if event.reason == "ModelResolved"]
        return result

    def settle(self, looks: int = 5) -> Plan:
        for _ in range(looks):
            result = self.look()
        return result

    def _age_and_collect(self) -> None:
        """Give new objects a time, and take what belonged to a Job that is gone."""
        uids = {obj["metadata"]["uid"] for obj in self.children if obj["kind"] == "Job"}
        kept = []
        for obj in self.children:
            obj["metadata"].setdefault("creationTimestamp", self.now.isoformat())
            holder = obj["metadata"]["ownerReferences"][0]
            if holder["kind"] != "Job" or holder["uid"] in uids:
                kept.append(obj)
        self.children = Children(kept)

    def wait(self, **time: float) -> None:
        self.now += timedelta(**time)

    def jobs(self, task: str) -> list[Object]:
        """Jobs that fetch or resolve, oldest first."""
        label = {"fetch": "fabula.dev/fetches", "resolve": "fabula.dev/resolves"}[task]
        found = [job for job in self.children.of("Job") if label in job["metadata"]["labels"]]
        return sorted(found, key=lambda job: str(job["metadata"]["creationTimestamp"]))

    def end(self, job: Object, how: str = "Complete", reason: str = "", **report: Any) -> None:
        """A Job ends, and its pod says this."""
        self.say(job, **report)
        done = {"type": how, "status": "True", "reason": reason}
        done["lastTransitionTime"] = self.now.isoformat()
        ended = {**job, "status": {"conditions": [done]}}
        self.children = self.children.including([ended])

    def say(self, job: Object, **report: Any) -> None:
        """A pod of a Job ends with this message."""
        meta = job["metadata"]
        ended = {"exitCode": 1, "message": json.dumps(report), "finishedAt": self.now.isoformat()}
        self.pods.append(
            {
                "metadata": {
                    "name": f"{meta['name']}-{len(self.pods)}",
                    "labels": meta["labels"],
                    "ownerReferences": owner("Job", "batch/v1", meta["name"], meta["uid"]),
                },
                "status": {"containerStatuses": [{"state": {"terminated": ended}}]},
            }
        )

    def fetched(self) -> Plan:
        """Everything that is being fetched comes."""
        self.settle()
        for job in self.jobs("fetch"):
            if not job.get("status"):
                self.end(job)
        return self.settle()

    def resolved(self, version: int, digest: str) -> None:
        self.settle()
        self.end(self.jobs("resolve")[-1], version=str(version), digest=digest)
        self.settle()

    @property
    def member(self) -> Object:
        """What the status says of the member."""
        (only,) = self.said["members"]
        return dict(only)

    @property
    def running(self) -> list[str]:
        return [obj["metadata"]["name"] for obj in self.children.of("Deployment")]


def pod(obj: Object) -> Object:
    return dict(obj["spec"]["template"]["spec"])


def test_a_model_is_fetched_before_its_pods_start() -> None:
    cluster = Cluster(by_uri())
    result = cluster.settle()
    assert cluster.running == []
    assert condition(result).reason == "MembersStarting"
    assert "kubectl logs -f job/narrators-model-aaaaaaaaaaaa" in condition(result).message
    cluster.fetched()
    assert len(cluster.running) == 1
    assert cluster.member["condition"] == "Serving"
    assert cluster.member["model"]["digest"] == A


def test_a_claim_belongs_to_the_job_that_fills_it_and_has_the_size_that_was_said() -> None:
    cluster = Cluster(
        by_uri(sizeLimit="3Gi"),
        models={"claims": {"storageClassName": "fast", "accessMode": "ReadWriteMany"}},
    )
    cluster.settle()
    (job,) = cluster.jobs("fetch")
    (claim,) = cluster.children.of("PersistentVolumeClaim")
    assert claim["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
    assert claim["spec"] == {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "3Gi"}},
        "storageClassName": "fast",
    }
    arguments = pod(job)["containers"][0]["args"]
    assert arguments[arguments.index("--size-limit") + 1] == "3Gi"


def test_pods_get_the_model_read_only_and_no_credentials() -> None:
    cluster = Cluster(by_uri(credentialsSecretRef={"name": "shelf"}))
    cluster.fetched()
    (deployment,) = cluster.children.of("Deployment")
    mounts = pod(deployment)["containers"][0]["volumeMounts"]
    (mount,) = [m for m in mounts if m["name"] == "model"]
    assert mount == {
        "name": "model",
        "mountPath": "/models/fetched",
        "readOnly": True,
        "subPath": "model",
    }
    assert "/models/fetched" in pod(deployment)["containers"][0]["args"]
    assert "shelf" not in json.dumps(deployment)
    (job,) = cluster.jobs("fetch")
    secret = {"secretName": "shelf", "optional": True}
    assert {"name": "credentials", "secret": secret} in pod(job)["volumes"]


def test_the_fetching_pod_is_restricted_and_goes_where_the_engines_go() -> None:
    cluster = Cluster({**by_uri(), "nodeSelector": {"pool": "gpu"}})
    cluster.settle()
    (job,) = cluster.jobs("fetch")
    assert pod(job)["nodeSelector"] == {"pool": "gpu"}
    assert pod(job)["securityContext"]["runAsNonRoot"] is True
    assert pod(job)["automountServiceAccountToken"] is False
    assert pod(job)["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


def test_nothing_is_fetched_before_the_world_says_how_models_are_kept() -> None:
    cluster = Cluster(by_uri())
    cluster.world = None
    result = cluster.settle()
    assert cluster.jobs("fetch") == []
    assert condition(result).reason == "WorldNotFound"


def test_members_and_variants_with_one_digest_share_a_claim() -> None:
    again = {**by_uri(), "name": "other", "role": "You doubt."}
    variant = {"name": "small", "engine": by_uri()["engine"], "accuracy": "1", "relativeCost": "1"}
    cluster = Cluster({**by_uri(), "variants": [variant]}, again)
    cluster.fetched()
    assert len(cluster.jobs("fetch")) == 1
    assert len(cluster.running) == 3


def test_the_old_model_answers_until_the_new_one_is_there() -> None:
    cluster = Cluster(llamacpp("bard"))
    cluster.settle()
    before = cluster.running
    cluster.edit(by_uri())
    result = cluster.settle()
    assert cluster.running == before
    assert condition(result).status == "True"
    assert condition(result).reason == "RollingOut"
    assert "model: fetching" in condition(result).message
    cluster.fetched()
    assert cluster.member["serving"] == cluster.member["revision"]
    assert cluster.running != before


def test_a_wrong_digest_is_told_with_the_remedy_and_not_tried_again() -> None:
    cluster = Cluster(by_uri())
    cluster.settle()
    (job,) = cluster.jobs("fetch")
    told = "https://models.example/bard.gguf has the digest sha256:0; correct the digest"
    cluster.end(job, "Failed", "PodFailurePolicy", problem="DigestMismatch", message=told)
    result = cluster.settle()
    assert condition(result, "Stalled").status == "True"
    assert condition(result).reason == "ModelNotFetched"
    assert told in condition(result).message
    assert (
        "kubectl delete job narrators-model-aaaaaaaaaaaa tries again" in condition(result).message
    )
    cluster.wait(days=2)
    cluster.settle()
    assert cluster.jobs("fetch")[0]["metadata"]["uid"] == job["metadata"]["uid"]


def test_a_job_that_ran_out_of_tries_is_replaced_after_a_rest() -> None:
    cluster = Cluster(by_uri())
    cluster.settle()
    (job,) = cluster.jobs("fetch")
    cluster.end(job, "Failed", "BackoffLimitExceeded", problem="Unreachable", message="away")
    cluster.settle()
    assert cluster.jobs("fetch")[0].get("status")
    cluster.wait(seconds=REST.total_seconds() + 1)
    cluster.settle()
    assert not cluster.jobs("fetch")[0].get("status")
    assert cluster.children.of("PersistentVolumeClaim")


def test_what_passes_by_itself_stalls_nothing() -> None:
    cluster = Cluster(by_uri())
    cluster.settle()
    cluster.say(cluster.jobs("fetch")[0], problem="Unreachable", message="answers 503")
    result = cluster.settle()
    assert condition(result, "Stalled").status == "False"
    assert "answers 503; it is tried again" in condition(result).message


def test_a_pod_that_cannot_be_placed_is_told_but_not_in_the_first_moments() -> None:
    cluster = Cluster(by_uri())
    cluster.settle()
    (job,) = cluster.jobs("fetch")
    cluster.say(job)
    why = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    cluster.pods[0]["status"] = {"phase": "Pending", "conditions": [why | {"message": "no node"}]}
    assert condition(cluster.settle(), "Stalled").status == "False"
    cluster.wait(minutes=1)
    result = cluster.settle()
    assert condition(result).reason == "Unschedulable"
    assert condition(result, "Stalled").status == "True"


def test_a_missing_secret_is_named_from_the_spec() -> None:
    cluster = Cluster(by_uri(credentialsSecretRef={"name": "shelf"}))
    cluster.settle()
    cluster.say(cluster.jobs("fetch")[0], problem="SecretNotFound", message="trust me")
    result = cluster.settle()
    assert condition(result).reason == "SecretNotFound"
    assert "Secret shelf" in condition(result).message
    assert "trust me" not in condition(result).message


@pytest.mark.parametrize("said", ["", "{}", "not JSON", '{"digest": "md5:1"}', "x" * 9000])
def test_what_a_pod_says_is_not_trusted(said: str) -> None:
    cluster = Cluster(by_uri(**CHAMPION), models=MLFLOW)
    cluster.settle()
    (job,) = cluster.jobs("resolve")
    cluster.end(job)
    cluster.pods[-1]["status"]["containerStatuses"][0]["state"]["terminated"]["message"] = said
    cluster.settle()
    assert "digest" not in cluster.member["model"]


def test_a_claim_of_somebody_else_is_left_alone() -> None:
    cluster = Cluster(by_uri())
    cluster.look()
    name = "narrators-model-aaaaaaaaaaaa"
    foreign = {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "uid": "x", "ownerReferences": owner("Box", "v1", "b", "b")},
    }
    cluster.children = cluster.children.including([foreign])
    result = cluster.settle()
    assert condition(result).reason == "ChildConflict"
    assert name in condition(result).message


def test_a_job_of_somebody_else_is_left_alone() -> None:
    cluster = Cluster(by_uri())
    foreign = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "narrators-model-aaaaaaaaaaaa",
            "uid": "x",
            "labels": {},
            "ownerReferences": owner("CronJob", "batch/v1", "b", "b"),
        },
    }
    cluster.children = Children([foreign])
    result = cluster.look()
    assert condition(result).reason == "ChildConflict"
    assert not [obj for obj in result.apply if obj["kind"] == "Job"]


def test_a_model_that_nobody_needs_goes_after_a_while_and_not_before() -> None:
    cluster = Cluster(by_uri())
    cluster.fetched()
    cluster.edit(by_uri(digest=B))
    cluster.fetched()
    for _ in range(3):
        cluster.wait(seconds=15)
        cluster.settle()
    assert len(cluster.running) == 1
    assert len(cluster.children.of("PersistentVolumeClaim")) == 2
    cluster.wait(seconds=KEEP.total_seconds())
    cluster.settle()
    (claim,) = cluster.children.of("PersistentVolumeClaim")
    assert claim["metadata"]["name"] == "narrators-model-bbbbbbbbbbbb"


def test_fetching_what_is_no_longer_wanted_ends_at_once() -> None:
    cluster = Cluster(by_uri())
    cluster.settle()
    cluster.edit(by_uri(digest=B))
    cluster.settle()
    (job,) = cluster.jobs("fetch")
    assert job["metadata"]["name"] == "narrators-model-bbbbbbbbbbbb"


def test_a_claim_that_went_away_is_filled_again() -> None:
    cluster = Cluster(by_uri())
    cluster.fetched()
    gone = "PersistentVolumeClaim"
    cluster.children = Children(obj for obj in cluster.children if obj["kind"] != gone)
    cluster.settle()
    (job,) = cluster.jobs("fetch")
    assert not job.get("status")
    assert len(cluster.running) == 1
    cluster.fetched()
    assert cluster.member["condition"] == "Serving"


def test_an_operator_upgrade_changes_no_job() -> None:
    cluster = Cluster(by_uri())
    cluster.settle()
    result = cluster.look()
    assert not [obj for obj in result.apply if obj["kind"] in {"Job", "PersistentVolumeClaim"}]


# -- images --------------------------------------------------------------------------------------


def test_an_image_is_a_volume_and_needs_no_fetching() -> None:
    uri = f"oci://registry.example/bard@{A}"
    cluster = Cluster(by_uri(uri, credentialsSecretRef={"name": "pull"}))
    cluster.settle()
    assert cluster.jobs("fetch") == []
    (deployment,) = cluster.children.of("Deployment")
    image = {"reference": f"registry.example/bard@{A}", "pullPolicy": "IfNotPresent"}
    assert {"name": "model", "image": image} in pod(deployment)["volumes"]
    assert pod(deployment)["imagePullSecrets"] == [{"name": "pull"}]
    assert cluster.member["model"]["digest"] == A


def test_an_image_that_cannot_be_pulled_may_be_the_models() -> None:
    cluster = Cluster(by_uri(f"oci://registry.example/bard@{A}"))
    cluster.ready = 0
    cluster.settle()
    (deployment,) = cluster.children.of("Deployment")
    waiting = {"image": "engine:1", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    made = {"metadata": {"name": "p", "labels": deployment["metadata"]["labels"]}}
    cluster.pods = [{**made, "spec": pod(deployment), "status": {"containerStatuses": [waiting]}}]
    result = cluster.settle()
    assert condition(result).reason == "ImageUnavailable"
    assert f"engine:1 or registry.example/bard@{A}" in condition(result).message


# -- registries ----------------------------------------------------------------------------------


def test_an_alias_is_resolved_in_the_namespace_of_the_tenant() -> None:
    cluster = Cluster(by_uri(**CHAMPION), models=MLFLOW)
    cluster.settle()
    (job,) = cluster.jobs("resolve")
    assert job["metadata"]["namespace"] == "play"
    arguments = pod(job)["containers"][0]["args"]
    assert arguments[:3] == ["resolve", "--uri", "mlflow:bard@champion"]
    assert arguments[arguments.index("--registry") + 1] == "http://mlflow:5000"
    assert cluster.running == []


def test_a_resolved_alias_is_fetched_by_its_version() -> None:
    cluster = Cluster(by_uri(**CHAMPION), models=MLFLOW)
    cluster.resolved(3, A)
    (job,) = cluster.jobs("fetch")
    arguments = pod(job)["containers"][0]["args"]
    assert arguments[arguments.index("--uri") + 1] == "mlflow:bard/3"
    cluster.fetched()
    assert cluster.member["model"] == {
        "uri": "mlflow:bard@champion",
        "digest": A,
        "version": "3",
        "since": "2026-11-23T12:00:00Z",
    }


def test_an_alias_that_moves_rolls_out_as_an_edit_does() -> None:
    cluster = Cluster(by_uri(**CHAMPION), models=MLFLOW)
    cluster.resolved(3, A)
    cluster.fetched()
    before = cluster.member["revision"]
    cluster.wait(minutes=5)
    cluster.resolved(4, B)
    assert cluster.told[-1] == f"bard: mlflow:bard@champion is version 4, {B}"
    assert cluster.member["serving"] == before
    assert cluster.member["condition"] == "RollingOut"
    cluster.fetched()
    assert cluster.member["serving"] == cluster.member["revision"] != before
    assert cluster.member["model"]["version"] == "4"
    assert cluster.member["model"]["since"] == "2026-11-23T12:05:00Z"


def test_an_alias_that_moves_to_the_same_files_restarts_nothing() -> None:
    cluster = Cluster(by_uri(**CHAMPION), models=MLFLOW)
    cluster.resolved(3, A)
    cluster.fetched()
    before = cluster.member["revision"]
    cluster.wait(minutes=5)
    cluster.resolved(4, A)
    assert cluster.member["revision"] == before
    assert cluster.member["model"]["version"] == "4"


def test_a_registry_that_is_away_changes_nothing_that_runs() -> None:
    cluster = Cluster(by_uri(**CHAMPION), models=MLFLOW)
    cluster.resolved(3, A)
    cluster.fetched()
    before = cluster.running
    for _ in range(4):
        cluster.wait(minutes=5)
        cluster.settle()
        job = cluster.jobs("resolve")[-1]
        cluster.end(job, "Failed", problem="Unreachable", message="http://mlflow:5000: refused")
        result = cluster.settle()
        assert condition(result).status == "True"
        assert condition(result, "Stalled").status == "False"
    assert cluster.running == before
    assert "http://mlflow:5000: refused" in cluster.member["model"]["message"]
    assert len(cluster.jobs("resolve")) <= 2
    cluster.wait(minutes=5)
    cluster.resolved(3, A)
    assert "message" not in cluster.member["model"]


def test_a_world_that_no_longer_names_the_registry_changes_nothing_that_runs() -> None:
    cluster = Cluster(by_uri(**CHAMPION), models=MLFLOW)
    cluster.resolved(3, A)
    cluster.fetched()
    before = cluster.running
    cluster.world = world()
    result = cluster.settle()
    assert cluster.running == before
    assert condition(result).status == "True"
    assert "set spec.models.mlflow of World emberfall" in cluster.member["model"]["message"]


def test_a_known_version_of_a_registry_that_nobody_names_is_not_fetched() -> None:
    cluster = Cluster(by_uri("mlflow:bard/3"), models=MLFLOW)
    cluster.settle()
    cluster.end(cluster.jobs("resolve")[-1], version="3", digest=A)
    cluster.look()
    cluster.children, cluster.world = Children(), world()
    result = cluster.settle()
    assert cluster.jobs("fetch") == []
    assert condition(result).reason == "ModelUnresolved"


def test_without_a_registry_the_field_to_set_is_named() -> None:
    cluster = Cluster(by_uri(**CHAMPION))
    result = cluster.settle()
    assert condition(result).reason == "ModelUnresolved"
    assert "set spec.models.mlflow of World emberfall" in condition(result).message


def test_a_version_is_asked_for_once() -> None:
    cluster = Cluster(by_uri("mlflow:bard/7"), models=MLFLOW)
    cluster.resolved(7, A)
    cluster.fetched()
    for _ in range(3):
        cluster.wait(minutes=30)
        cluster.settle()
    assert len(cluster.jobs("resolve")) == 1


def test_an_alias_is_asked_for_once_a_period_and_at_a_request() -> None:
    cluster = Cluster(by_uri(**CHAMPION), models=MLFLOW)
    cluster.resolved(3, A)
    cluster.fetched()
    first = cluster.jobs("resolve")[-1]["metadata"]["uid"]
    cluster.settle()
    assert cluster.jobs("resolve")[-1]["metadata"]["uid"] == first
    cluster.wait(seconds=1)
    cluster.said["request"] = {"action": "Reconcile", "id": "now"}
    cluster.look()
    asking = cluster.jobs("resolve")[-1]
    assert asking["metadata"]["uid"] != first
    known = ["--known-version", "3", "--known-digest", A]
    assert pod(asking)["containers"][0]["args"][3:7] == known


def test_one_question_at_a_time_however_long_it_takes() -> None:
    cluster = Cluster(by_uri(**CHAMPION), models=MLFLOW)
    for _ in range(4):
        cluster.settle()
        cluster.wait(minutes=5)
    assert len(cluster.jobs("resolve")) == 1


def test_a_question_that_nobody_asks_any_more_is_taken_down() -> None:
    cluster = Cluster(by_uri(**CHAMPION), models=MLFLOW)
    cluster.settle()
    cluster.edit(by_uri())
    cluster.settle()
    assert cluster.jobs("resolve") == []


def test_the_next_question_is_in_time() -> None:
    cluster = Cluster(by_uri(**CHAMPION), models=MLFLOW)
    cluster.resolved(3, A)
    result = cluster.fetched()
    assert result.again_in is not None
    assert 0 < result.again_in <= 300


def test_an_alias_that_moves_is_tried_out_in_steps_once_its_model_is_there() -> None:
    rollout = {"steps": [{"trafficPercent": 10, "waitFor": "Person"}]}
    cluster = Cluster(by_uri(**CHAMPION), models=MLFLOW, rollout=rollout)
    cluster.resolved(3, A)
    cluster.fetched()
    before = cluster.member["revision"]
    cluster.wait(minutes=5)
    cluster.resolved(4, B)
    assert cluster.member["serving"] == cluster.member["revision"] == before
    cluster.fetched()
    print(cluster.said)
    assert cluster.member["serving"] == before
    assert cluster.member["condition"] == "Canary"
    canary = cluster.member["revision"]
    cluster.wait(minutes=5)
    cluster.resolved(5, f"sha256:{'c' * 64}")
    assert cluster.member["revision"] == canary
    assert cluster.member["condition"] == "RollingOut"
    assert cluster.said["rollout"]["phase"] != "Aborted"
    cluster.fetched()
    assert cluster.member["revision"] not in {before, canary}
    assert cluster.member["serving"] == before
