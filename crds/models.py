"""Where an engine's model comes from, where it is not in the image or on a volume already."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from crds.base import BaseURL, Model, ObjectName, Quantity, Rule, Timestamp
from crds.common import SecretRef

#: SHA-256, as container registries write it.
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[a-f0-9]{64}$", max_length=71)]
#: No query and no user in it: what is secret stands in a Secret.
ModelURI = Annotated[
    str,
    StringConstraints(
        pattern=r"^(https?://[-a-zA-Z0-9.]+(:[0-9]{1,5})?(/[-a-zA-Z0-9._~%+=@]+)+"
        r"|s3://[a-z0-9][-a-z0-9.]{1,61}[a-z0-9](/[-a-zA-Z0-9._~+=@]+)+"
        r"|oci://[a-z0-9][-a-zA-Z0-9._:/]*@sha256:[a-f0-9]{64}"
        r"|mlflow:[-a-zA-Z0-9._]+(@[-a-zA-Z0-9._]+|/[1-9][0-9]{0,8}))$",
        max_length=512,
    ),
]
#: What keeps a model from being resolved or fetched. `Unreachable` passes by itself, the others
#: need a person.
Problem = Literal[
    "DigestMismatch",
    "NoSpace",
    "NotFound",
    "Refused",
    "SecretNotFound",
    "TooLarge",
    "Unreachable",
    "Unusable",
]
#: Exit status of a pod that need not be tried again, because it would end the same.
FINAL = 3
#: The folder of a claim that appears when all of the model is there.
MODEL_FOLDER = "model"
#: Where `sizeLimit` is left out.
SIZE_LIMIT = "16Gi"


class ModelSource(Model):
    """A model that is fetched: what the engines that can load one have in common."""

    uri: Annotated[
        ModelURI | None,
        Field(
            description="Where the model is fetched from, once for all replicas: "
            "`https://HOST/FILE` or `s3://BUCKET/KEY` with `digest`, a .tar, .tar.gz or .tgz is "
            "unpacked; `oci://REGISTRY/REPOSITORY@sha256:...`, an image whose files are mounted; "
            "`mlflow:NAME@ALIAS` or `mlflow:NAME/VERSION` of the registry in `spec.models.mlflow` "
            "of the World. When an alias moves, its new version rolls out as an edit does."
        ),
    ] = None
    digest: Annotated[
        Digest | None,
        Field(
            description="SHA-256 of the file behind an http, https or s3 address, as in "
            "sha256:0123...: `sha256sum FILE` tells it. What differs is not used."
        ),
    ] = None
    size_limit: Annotated[
        Quantity | None,
        Field(
            description="Size of the claim that keeps the model, and the most that is fetched. "
            f"Default {SIZE_LIMIT}. An archive needs room for its files and itself."
        ),
    ] = None
    credentials_secret_ref: Annotated[
        SecretRef | None,
        Field(
            description="Mounted into the pod that fetches and no other. For http and https: "
            "`token`, or `username` and `password`; for s3: AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and, where they are needed, AWS_SESSION_TOKEN, AWS_REGION and "
            "AWS_ENDPOINT_URL. For oci the pull secret. Default: none."
        ),
    ] = None

    source_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.uri) || has(self.digest) == "
            "(self.uri.startsWith('http') || self.uri.startsWith('s3:'))",
            "digest says what is behind an http, https or s3 address: set it (sha256sum FILE tells "
            "it) for these; remove it for oci, whose uri has it, and mlflow, whose registry knows",
        ),
        Rule(
            "has(self.uri) || !(has(self.digest) || has(self.sizeLimit) || "
            "has(self.credentialsSecretRef))",
            "digest, sizeLimit and credentialsSecretRef are about a uri; set uri or remove them",
        ),
        Rule(
            "!has(self.uri) || !has(self.sizeLimit) || !self.uri.startsWith('oci:')",
            "an oci image is kept by the node; remove sizeLimit",
        ),
        Rule(
            "!has(self.uri) || !has(self.credentialsSecretRef) || !self.uri.startsWith('mlflow:')",
            "the credentials of the registry stand in spec.models.mlflow of the World; remove "
            "credentialsSecretRef",
        ),
    )


class MLflow(Model):
    """An MLflow model registry."""

    url: Annotated[
        BaseURL,
        Field(
            description="Where its API answers. Pods of this namespace call it, the operator never "
            "does."
        ),
    ]
    credentials_secret_ref: Annotated[
        SecretRef | None,
        Field(
            description="MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD. Mounted into the pods that ask it and no other. Default: "
            "none."
        ),
    ] = None
    poll_seconds: Annotated[
        int,
        Field(
            ge=10,
            le=86_400,
            description="How often a short-lived pod asks where an alias points. Default 300. "
            "`status.request` Reconcile asks at once.",
        ),
    ] = 300


class ModelClaims(Model):
    """The claims that keep fetched models, one a digest."""

    storage_class_name: Annotated[
        ObjectName | None,
        Field(description="Their storage class. Default: the cluster's default."),
    ] = None
    access_mode: Annotated[
        Literal["ReadWriteOnce", "ReadWriteMany"],
        Field(
            description="`ReadWriteOnce` (default): all replicas run on the node that fetched. "
            "`ReadWriteMany`: on any node, where the storage class can."
        ),
    ] = "ReadWriteOnce"


class Models(Model):
    """Where models come from and are kept."""

    mlflow: Annotated[
        MLflow | None,
        Field(description="The registry of models with an mlflow uri. Default: none."),
    ] = None
    claims: Annotated[
        ModelClaims | None,
        Field(description="How fetched models are kept. Default: as the cluster does."),
    ] = None


class ModelStatus(Model):
    """The model that a member's revision has, where it comes by uri."""

    uri: Annotated[str, Field(max_length=512, description="As the spec has it.")]
    digest: Annotated[
        Digest | None,
        Field(
            description="What it was resolved to: SHA-256 of the file; of an MLflow version, of "
            "the list of its files as sha256sum writes it. Absent: not resolved yet."
        ),
    ] = None
    version: Annotated[
        str | None, Field(max_length=32, description="The version that an MLflow alias means.")
    ] = None
    since: Annotated[
        Timestamp | None, Field(description="When it was first resolved to this digest.")
    ] = None
    message: Annotated[
        str | None,
        Field(max_length=512, description="What it waits for, or why it may not be the newest."),
    ] = None


class ModelReport(Model):
    """What a pod that resolves or fetches says when it ends: its termination message.

    It comes from a pod of a tenant and tells of a server that nobody vouches for, so the operator
    believes no more of it than fits here.
    """

    digest: Digest | None = None
    version: Annotated[str | None, StringConstraints(pattern=r"^[0-9]{1,9}$")] = None
    problem: Problem | None = None
    message: Annotated[str | None, StringConstraints(max_length=400)] = None
