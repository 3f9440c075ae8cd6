"""Statistics of experiments over generated ones, whose truth is known. The benchmark has more of them."""

from app.finance.experiments.figures import FIGURES
from scripts.bench.experiments import KINDS, measure


def test_intervals_hold_the_truth_as_often_as_they_claim_and_wrong_shares_are_noticed() -> None:
    table = measure(40, 4_000, 1, lambda _: None)

    assert len(table) == len(KINDS) * len(FIGURES)
    held = [row[column] for row in table.values() for column in ("interval", "difference")]
    assert 0.92 <= sum(held) / len(held) <= 0.98
    seen = [row["seen"] for name, row in table.items() if name.startswith("the same")]
    assert sum(seen) / len(seen) <= 0.08
    assert table["different: costPerUser"]["seen"] > 0.5
    assert table["different: conversionRate"]["seen"] > 0.5
    alarms = {name.partition(":")[0]: row["alarm"] for name, row in table.items()}
    assert (alarms["the same"], alarms["different"], alarms["wrong shares"] >= 0.95) == (0, 0, True)
    assert table["the same: costPerUser"]["narrower"] > 0.1
