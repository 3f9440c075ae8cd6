"""The calls that applications report by the client: each follows only from its number, so the ledger is known."""

from decimal import Decimal
from typing import Any, NamedTuple


class Figures(NamedTuple):
    """Of some calls; `cost` in USD."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)

    def plus(self, input_tokens: int, output_tokens: int, cost: Decimal) -> "Figures":
        """With one call more."""
        return Figures(
            self.calls + 1, self.input_tokens + input_tokens, self.output_tokens + output_tokens, self.cost + cost
        )


def fields(way: str, number: int) -> dict[str, Any]:
    """The call, which follows from its number alone. The client makes its id and its time."""
    return {
        "user_id": f"user-{number % 40}",
        "content_type": way,
        "provider": "openai",
        "model": "gpt-4o",
        "input_tokens": 100 + number % 997,
        "output_tokens": 10 + number % 89,
        "cost": Decimal(number % 100_003 + 1).scaleb(-7),
        "metadata": {"number": number},
    }


def expected(way: str, calls: int) -> Figures:
    """The sums of a ledger that has each call of a way once."""
    sums = Figures()
    for row in (fields(way, number) for number in range(calls)):
        sums = sums.plus(row["input_tokens"], row["output_tokens"], row["cost"])
    return sums
