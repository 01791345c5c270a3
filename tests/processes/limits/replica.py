"""``python -m tests.processes.limits.replica``: one of several processes that spend the same
money, as gateways do: through a purse, many requests at once. Starts when a line comes."""

import asyncio
import json
import random
import sys
from pathlib import Path

from redis.asyncio import Redis

from runtime.limits.money import BudgetExhaustedError, Cap, Ledger
from runtime.limits.purse import Purse
from runtime.limits.redis_ledger import RedisLedger
from runtime.limits.sqlite_ledger import SqliteLedger


async def spend(
    ledger: Ledger, cap: Cap, requests: int, most: int, *, vary: bool
) -> tuple[int, int]:
    """How many were served, and what they cost."""
    purse = Purse(ledger)
    costs = []

    async def one() -> None:
        try:
            async with purse.spending([cap], most, 60) as spending:
                await asyncio.sleep(0)  # a model answers
                if vary:
                    spending.cost = random.randint(0, most)
                costs.append(spending.cost)
        except BudgetExhaustedError:
            pass

    await asyncio.gather(*(one() for _ in range(requests)))
    await purse.close()
    return len(costs), sum(costs)


async def share(url: str, requests: int, limit: int, most: int, vary: bool) -> None:
    """Spend from a Redis; print what came of it."""
    cap = Cap("storyteller/bard", "spec.budget.monthlyUSD", "Month", limit)
    async with Redis.from_url(url) as client:
        await client.ping()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        ledger = RedisLedger(lambda: client, lambda: "ns/bard", timeout=120)
        print(json.dumps(await spend(ledger, cap, requests, most, vary=vary)), flush=True)


async def until_killed(path: Path, limit: int) -> None:
    """Reserve from a volume, and print a line for each micro-dollar once it is set aside."""
    ledger = SqliteLedger(path)
    cap = Cap("storyteller/bard", "spec.budget.monthlyUSD", "Month", limit)

    async def one() -> None:
        async with Purse(ledger).spending([cap], 1, 60):
            print("1", flush=True)

    while True:
        await asyncio.gather(*(one() for _ in range(10)))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["share", url, requests, limit, most, vary]:
            asyncio.run(share(url, int(requests), int(limit), int(most), vary == "vary"))
        case ["until-killed", path, limit]:
            asyncio.run(until_killed(Path(path), int(limit)))
