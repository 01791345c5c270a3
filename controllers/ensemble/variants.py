"""The ways to be a member: itself and its variants, each as a member of its own, so that revisions,
pods and roll-outs know no difference."""

from dataclasses import dataclass

from controllers.diagnosis import Fault
from controllers.plan import Object
from crds.ensemble import FULL, Member, ModelEnsembleStatus, Variant, VariantStatus
from crds.models import ModelStatus

#: What a variant says for itself. All else is the member's.
_OWN = {"engine", "price", "image", "resources", "scaling"}
#: Where pods go, which a hosted engine has no use for.
_PLACEMENT = {"node_selector", "tolerations", "runtime_class_name", "model_cache"}


@dataclass(frozen=True)
class Located:
    """The model of a way that names one by uri: what it is by now, and where pods find it."""

    status: ModelStatus
    #: The volume that holds it; None while it is not resolved or not fetched.
    volume: Object | None = None
    #: Why a person has to do something about it.
    fault: Fault | None = None

    @property
    def digest(self) -> str | None:
        return self.status.digest

    @property
    def why(self) -> str:
        """What it waits for, for people."""
        told = self.fault.message if self.fault else self.status.message
        return f"model: {told or 'fetching'}"


@dataclass(frozen=True)
class Way:
    """One of them. ``member`` has the variant's engine, price, image, resources and scaling."""

    member: Member
    variant: str = FULL
    accuracy: str = "1"
    relative_cost: str = "1"
    #: None where its model does not come by uri.
    model: Located | None = None
    #: The revision that is wanted meanwhile, where that model is not there yet.
    held: str | None = None

    @property
    def bare(self) -> bool:
        """Whether there is nothing to run yet: no model, and no earlier revision to go on with."""
        return self.model is not None and self.model.volume is None and self.held is None

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from the other ways of an ensemble."""
        return self.member.name, self.variant

    @property
    def label(self) -> str:
        """What a person calls it."""
        name = self.member.name
        return name if self.variant == FULL else f"{name}/{self.variant}"

    @property
    def key_folder(self) -> str:
        """Where its API key is mounted, below the folder of all keys."""
        name = self.member.name
        return name if self.variant == FULL else f"{name}.{self.variant}"

    @property
    def stopped(self) -> bool:
        """Whether a person has scaled it to nothing."""
        return self.member.scaling is not None and self.member.scaling.min_replicas == 0


def ways(member: Member) -> list[Way]:
    """Every way to be this member, itself first."""
    return [
        Way(member),
        *(
            Way(_disguised(member, variant), variant.name, variant.accuracy, variant.relative_cost)
            for variant in member.variants
        ),
    ]


def statuses(status: ModelEnsembleStatus) -> dict[tuple[str, str], VariantStatus]:
    """What was said last of each way, by its key: a variant may have its member's name."""
    return {
        (member.name, variant): part
        for member in status.members
        for variant, part in ((FULL, member), *((each.name, each) for each in member.variants))
    }


def _disguised(member: Member, variant: Variant) -> Member:
    shared = member.model_fields_set - _OWN - {"variants"}
    if variant.engine.hosted:
        shared -= _PLACEMENT
    said = {name: getattr(member, name) for name in shared}
    own = {name: getattr(variant, name) for name in variant.model_fields_set & _OWN}
    return Member(**said, **own)
