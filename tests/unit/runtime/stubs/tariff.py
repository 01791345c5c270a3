"""Prices that a test sets."""

from dataclasses import dataclass

from crds.routes import Route
from runtime.engines import Prompt


@dataclass
class FlatTariff:
    """Every question may cost ``highest`` and every answer costs ``cost``, in micro-dollars, but
    where a member is in ``free`` or ``unknown``."""

    highest: int = 10_000
    cost: int = 2_500
    free: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def most(self, route: Route, prompt: Prompt) -> int | None:
        """See Tariff."""
        return self._price(route, self.highest)

    def of(self, route: Route, cost_usd: str | None) -> int | None:
        """See Tariff."""
        return self._price(route, self.cost)

    def _price(self, route: Route, price: int) -> int | None:
        if route.member in self.unknown:
            return None
        return 0 if route.member in self.free else price
