"""What a call can cost at most, and what it did cost, in whole numbers: rounding loses no cent.

Amounts are nano-dollars (1e-9 USD), rounded up; prices are pico-dollars (1e-12 USD) a token, which
is what the sixth decimal place of a price for a million tokens comes to.
"""

from dataclasses import dataclass
from decimal import Decimal

from crds import engines as crds
from runtime.engines.base import Prompt, Usage

_PICO_A_TOKEN = 10**6  # of one dollar for a million tokens
_NANO_IN_MICRO = 1000


@dataclass(frozen=True, slots=True)
class Price:
    """Pico-dollars for a token: of a prompt, of what of it the provider has in its cache or puts
    there, and of an answer."""

    input: int
    cached: int
    write: int
    output: int

    @classmethod
    def per_million(
        cls, input: str, output: str, *, cached: str | None = None, write: str | None = None
    ) -> "Price":
        """From US dollars for a million tokens, as decimal numbers of up to six places."""
        return cls(_pico(input), _pico(cached or input), _pico(write or input), _pico(output))

    @classmethod
    def declared(cls, price: crds.Price) -> "Price":
        """As a member's spec says."""
        return cls.per_million(
            price.input_per_million_usd,
            price.output_per_million_usd,
            cached=price.cached_per_million_usd,
        )

    def most(self, prompt: Prompt) -> int:
        """Nano-dollars that one answer to a prompt cannot exceed, before it is asked."""
        dearest = max(self.input, self.cached, self.write)
        return _nano(prompt.most_tokens * dearest + prompt.max_tokens * self.output)

    def of(self, usage: Usage) -> int | None:
        """Nano-dollars that a call cost; None: the engine did not count."""
        if usage.prompt is None or usage.completion is None:
            return None
        cached, written = usage.cached or 0, usage.written or 0
        fresh = max(0, usage.prompt - cached - written)
        return _nano(
            fresh * self.input
            + cached * self.cached
            + written * self.write
            + usage.completion * self.output
        )


def usd(nano: int) -> str:
    """An amount in US dollars, as a decimal number of up to six places, rounded up.

    >>> usd(1_234_500_001)
    '1.234501'
    """
    micro = Decimal(-(-nano // _NANO_IN_MICRO)).scaleb(-6)
    return f"{micro.normalize():f}"


def _pico(per_million_usd: str) -> int:
    return int(Decimal(per_million_usd) * _PICO_A_TOKEN)


def _nano(pico: int) -> int:
    return -(-pico // 1000)
