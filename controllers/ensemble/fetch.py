"""The objects that resolve and fetch models: Jobs in the namespace of the ensemble, and claims.

The operator calls no registry itself: it may read no credentials, and a spec must not make it call
what it likes. A claim belongs to the Job that fills it, so that garbage collection takes both, and
the operator needs no permission to delete what holds data.
"""

from collections.abc import Mapping

from controllers.ensemble import jobs
from controllers.ensemble.workload import ENSEMBLE
from controllers.plan import Defaults, Object, owner
from controllers.pods import MANAGED, child
from crds.common import SecretRef
from crds.ensemble import Member
from crds.models import SIZE_LIMIT, MLflow, ModelClaims, ModelReport, ModelSource

#: What a Job finds out or fetches.
RESOLVES = "fabula.dev/resolves"
FETCHES = "fabula.dev/fetches"
CLAIM_DIR = "/claim"
CREDENTIALS_DIR = "/var/run/fabula/credentials"
#: An MLflow version whose digest is in no tag is read as a whole to know it.
RESOLVE_SECONDS = 4 * 3600
FETCH_SECONDS = 12 * 3600
#: Kubernetes waits 10 seconds before the second try, twice as long before each further one, and at
#: most six minutes: some two hours in all. A try goes on where the last one ended.
FETCH_TRIES = 24


def labels(ensemble: str, extra: Mapping[str, str]) -> Object:
    return {**MANAGED, "app.kubernetes.io/name": "model", ENSEMBLE: ensemble, **extra}


def claim_name(ensemble: str, digest: str) -> str:
    """The name of a claim and of the Job that fills it."""
    return f"{ensemble}-model-{digest.removeprefix('sha256:')[:12]}"


def claim_volume(name: str) -> Object:
    return {"name": "model", "persistentVolumeClaim": {"claimName": name}}


def image_volume(uri: str, defaults: Defaults) -> Object:
    """An OCI image as a volume (KEP-4639)."""
    source = {
        "reference": uri.removeprefix("oci://"),
        "pullPolicy": defaults.image_pull_policy,
    }
    return {"name": "model", "image": source}


def claim(job: Object, source: ModelSource, how: ModelClaims) -> Object:
    """The claim that a Job fills."""
    meta = job["metadata"]
    spec: Object = {
        "accessModes": [how.access_mode],
        "resources": {"requests": {"storage": source.size_limit or SIZE_LIMIT}},
    }
    if how.storage_class_name:
        spec["storageClassName"] = how.storage_class_name
    return child(
        "v1",
        "PersistentVolumeClaim",
        meta["name"],
        meta["namespace"],
        labels=meta["labels"],
        owners=owner("Job", "batch/v1", meta["name"], meta["uid"]),
        spec=spec,
    )


def fetch_job(
    name: str,
    namespace: str,
    member: Member,
    reference: str,
    digest: str,
    mlflow: MLflow | None,
    defaults: Defaults,
    job_labels: Object,
    owners: list[Object],
) -> Object:
    """The Job that fills a claim.

    Args:
        name: of Job and claim.
        namespace: of the ensemble.
        member: whose pods will use it; the claim has to be where these can run.
        reference: the uri, of an MLflow alias the version.
        digest: what has to come of it.
        mlflow: the registry, where the uri is of one.
        defaults: for the image.
        job_labels: of the Job, its pods and the claim.
        owners: the ensemble.
    """
    source = member.engine.source
    if source is None:
        raise ValueError(f"the model of member {member.name} is not fetched")
    arguments = [
        *("fetch", "--uri", reference, "--digest", digest, "--into", CLAIM_DIR),
        *("--size-limit", source.size_limit or SIZE_LIMIT),
    ]
    pod = _pod("fetch", arguments, mlflow, source.credentials_secret_ref, defaults)
    pod["volumes"].append(claim_volume(name))
    pod["containers"][0]["volumeMounts"].append({"name": "model", "mountPath": CLAIM_DIR})
    if member.node_selector:
        pod["nodeSelector"] = member.node_selector
    if member.tolerations:
        pod["tolerations"] = [toleration.dump() for toleration in member.tolerations]
    return jobs.job(name, namespace, pod, FETCH_TRIES, FETCH_SECONDS, job_labels, owners)


def resolve_job(
    name: str,
    namespace: str,
    uri: str,
    known: ModelReport,
    mlflow: MLflow,
    defaults: Defaults,
    job_labels: Object,
    owners: list[Object],
) -> Object:
    """The Job that asks a registry once what a uri means. The files of a version that is known
    already need not be read again."""
    arguments = ["resolve", "--uri", uri]
    if known.version and known.digest:
        arguments += ["--known-version", known.version, "--known-digest", known.digest]
    pod = _pod("resolve", arguments, mlflow, None, defaults)
    return jobs.job(name, namespace, pod, 0, RESOLVE_SECONDS, job_labels, owners)


def _pod(
    container: str,
    arguments: list[str],
    mlflow: MLflow | None,
    secret: SecretRef | None,
    defaults: Defaults,
) -> Object:
    files = []
    if mlflow:
        arguments = [*arguments, "--registry", mlflow.url]
        secret = mlflow.credentials_secret_ref
    if secret:
        arguments = [*arguments, "--credentials", CREDENTIALS_DIR]
        volume = {"name": "credentials", "secret": {"secretName": secret.name, "optional": True}}
        files.append((volume, CREDENTIALS_DIR))
    return jobs.pod(container, "runtime.models", arguments, defaults, files)
