"""The docs say of each figure what its formula says."""

from pathlib import Path

from app.finance.experiments.figures import FEWEST_USERS, FIGURES
from models.experiments import FEWEST_CONVERSIONS

DOCS = (Path(__file__).parents[3] / "docs" / "finance.md").read_text()


def test_each_formula_is_in_the_docs() -> None:
    for figure in FIGURES.values():
        assert f"| `{figure.formula.name}` | {figure.formula.unit} | {figure.formula.words} |" in DOCS
    assert f"below {FEWEST_USERS} users in a variant" in DOCS
    assert f"`minimumConversions` ({FEWEST_CONVERSIONS})" in DOCS
