"""A member as its rollout sees it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from controllers.ensemble.revision import digest

#: Revisions by variant.
Revisions = Mapping[str, str]


@dataclass(frozen=True)
class Replicas:
    """Of one revision: those that are ready, and those that it needs to be everyone's alone. A
    hosted model needs none."""

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
    #: Variants that had the revision that a person wants back, and could run it again.
    returnable: frozenset[str] = frozenset()
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

    def has(self, revisions: Revisions, counts: Mapping[str, int]) -> bool:
        """Whether each of these has so many replicas that are ready."""
        return all(self.at(way, rev).ready >= counts[way] for way, rev in revisions.items())

    def complete(self, revisions: Revisions) -> bool:
        """Whether each of these has all its replicas."""
        return all(each.ready >= each.desired for each in self.of(revisions))

    def part(
        self, revisions: Revisions, beside: Revisions, size: Callable[[int], int]
    ) -> dict[str, int]:
        """How many replicas each of these gets beside others: of all of them so many as ``size``
        says, and all where the others are hosted and take no place."""
        return {
            way: size(full) if full and self.at(way, beside[way]).desired else full
            for way, rev in revisions.items()
            for full in (self.at(way, rev).desired,)
        }

    @property
    def alone(self) -> str | None:
        """What is pending and has one replica, and so cannot give up its place to another."""
        for way, rev in self.pending.items():
            if self.at(way, rev).desired == self.at(way, self.stable[way]).desired == 1:
                return way
        return None

    def at(self, way: str, rev: str) -> Replicas:
        """The replicas of one."""
        return self.replicas.get((way, rev), Replicas())

    def of(self, revisions: Revisions) -> list[Replicas]:
        """The replicas of these."""
        return [self.at(way, rev) for way, rev in revisions.items()]
