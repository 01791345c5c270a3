"""A member as its rollout sees it, and what the rollout has it run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controllers.ensemble.revision import digest

#: Revisions by variant.
Revisions = Mapping[str, str]


@dataclass(frozen=True)
class Replicas:
    """Of one revision. A hosted model needs none."""

    ready: int = 0
    desired: int = 1


@dataclass(frozen=True)
class Line:
    """A member as its rollout sees it. What has no stable revision yet, or runs no longer, is not
    in it: there is nothing to protect."""

    name: str
    wanted: Revisions
    stable: Revisions
    #: By variant and revision.
    replicas: Mapping[tuple[str, str], Replicas] = field(default_factory=dict)
    held_back: str | None = None
    #: What keeps the wanted revision from starting.
    fault: str | None = None

    @property
    def pending(self) -> dict[str, str]:
        """What is wanted and not what players have."""
        return {way: rev for way, rev in self.wanted.items() if self.stable.get(way, rev) != rev}

    @property
    def held(self) -> bool:
        """Whether a person has sent back the very change that is pending."""
        return bool(self.pending) and self.held_back == digest(self.pending)

    def answers(self, revisions: Revisions) -> bool:
        """Whether each of these has a replica that answers."""
        return all(each.ready >= min(1, each.desired) for each in self.of(revisions))

    def complete(self, revisions: Revisions) -> bool:
        """Whether each of these has all its replicas."""
        return all(each.ready >= each.desired for each in self.of(revisions))

    def of(self, revisions: Revisions) -> list[Replicas]:
        """The replicas of these."""
        return [self.replicas.get(at, Replicas()) for at in revisions.items()]


@dataclass(frozen=True)
class Course:
    """What a member runs."""

    stable: Revisions
    #: What is tried out, and whether sessions may be sent there.
    canary: Revisions = field(default_factory=dict)
    asked: bool = False
    #: What could be returned to at once.
    warm: Revisions = field(default_factory=dict)
    held_back: str | None = None
    #: Why nothing is done about what is pending.
    waits: str | None = None
