"""A member's revision: a name for what it is, and the pod template that was rendered for it once.

A ControllerRevision keeps both, so that an operator upgrade or a new default restarts no model,
and any stored revision can be returned to.
"""

import hashlib
import json
from dataclasses import dataclass

from controllers.ensemble.variants import Way
from controllers.plan import Defaults, Object
from controllers.pods import child
from crds.ensemble import FULL, Member

#: What may change without a new revision: how much a member counts and costs, how many replicas it
#: has, how long it is waited for, and its variants, which have revisions of their own.
UNVERSIONED = {"weight", "price", "scaling", "timeout_seconds", "variants"}
#: Old revisions kept for each member.
HISTORY = 5
#: Longest name of a Service.
MAX_CHILD_NAME = 63


def revision(way: Way) -> str:
    """Eight hex digits of the member or variant as the person wrote it.

    Fields that were left out stay out, so that a default of a later version changes nothing. The
    digest of a model that comes by uri counts, so that an alias that moves is a new revision; until
    that model is there, the revision stays what it was.
    """
    if way.held:
        return way.held
    said = way.member.model_dump(
        mode="json", by_alias=True, exclude_unset=True, exclude_none=True, exclude=UNVERSIONED
    )
    named = said if way.variant == FULL else {"variant": way.variant, "member": said}
    return digest({"model": way.model.digest, "way": named} if way.model else named)


def digest(value: object) -> str:
    """Eight hex digits of the canonical JSON of a value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def child_name(ensemble: str, member: str, rev: str, variant: str = FULL) -> str:
    """The name that Deployment, Service and ControllerRevision of a revision share. Of a long
    variant's name it has the beginning; the revision tells it from others."""
    if variant == FULL:
        return f"{ensemble}-{member}-{rev}"
    room = MAX_CHILD_NAME - len(f"{ensemble}-{member}--{rev}")
    return f"{ensemble}-{member}-{variant[:room].rstrip('-')}-{rev}"


@dataclass(frozen=True)
class Rendered:
    """What a ControllerRevision holds: the member as it was, and its pod template."""

    member: Member
    template: Object

    @classmethod
    def read(cls, stored: Object) -> "Rendered":
        data = stored["data"]
        return cls(Member.model_validate(data["member"]), data["template"])


def controller_revision(
    name: str,
    namespace: str,
    number: int,
    rendered: Rendered,
    labels: Object,
    owners: list[Object],
) -> Object:
    """The ControllerRevision of a member revision; its data never changes."""
    return child(
        "apps/v1",
        "ControllerRevision",
        name,
        namespace,
        labels=labels,
        owners=owners,
        revision=number,
        data={
            "member": rendered.member.model_dump(
                mode="json",
                by_alias=True,
                exclude_unset=True,
                exclude_none=True,
                exclude={"variants"},
            ),
            "template": rendered.template,
        },
    )


def image(member: Member, defaults: Defaults) -> str:
    """The container image of a member that runs as a pod."""
    if member.image:
        return member.image
    return defaults.vllm_image if member.engine.vllm else defaults.llamacpp_image
