"""Who is looked at again when something changes: every object's references, turned around."""

from collections.abc import Iterable

from controllers.plan import Ref


class Dependents:
    """What each object referred to when it was last observed."""

    def __init__(self) -> None:
        self._needs: dict[Ref, frozenset[Ref]] = {}
        self._needed_by: dict[Ref, set[Ref]] = {}

    def remember(self, key: Ref, needs: Iterable[Ref]) -> None:
        """Replace what is known of an object."""
        self.forget(key)
        self._needs[key] = frozenset(needs)
        for ref in self._needs[key]:
            self._needed_by.setdefault(ref, set()).add(key)

    def forget(self, key: Ref) -> None:
        """The object is gone."""
        for ref in self._needs.pop(key, ()):
            self._needed_by[ref].discard(key)
            if not self._needed_by[ref]:
                del self._needed_by[ref]

    def of(self, ref: Ref) -> frozenset[Ref]:
        """The objects that refer to this one."""
        return frozenset(self._needed_by.get(ref, ()))

    def needs(self, key: Ref) -> frozenset[Ref]:
        """What an object referred to."""
        return self._needs.get(key, frozenset())
