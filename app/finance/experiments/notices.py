"""What has to be known before any figure of an experiment is believed."""

from datetime import date

from app.finance.experiments.analyst import EXTRA
from app.finance.experiments.answers import Notice, SampleRatio, state_of
from app.finance.experiments.figures import FEWEST_USERS, MANY_MIXED, WRONG_RATIO
from app.finance.experiments.rounding import rounded
from app.finance.experiments.tallies import Tallies
from models.experiments import Experiment

CONFIDENCE = 0.95
INSTALL = f"no intervals and no checks: install the library for them on the server, with `pip install '{EXTRA}'`"


def sample_ratio(p_value: float | None) -> SampleRatio:
    """Whether such numbers of users are likely, where the weights are right."""
    trusted = None if p_value is None else p_value >= WRONG_RATIO
    return SampleRatio(p_value=rounded(p_value), trusted=trusted)


def notices(
    experiment: Experiment, tallies: Tallies, today: date, ratio: SampleRatio, *, available: bool
) -> list[Notice]:
    """The worst first."""
    users = sum(tally.moments.users for tally in tallies.variants.values())
    unpriced = sum(tally.unpriced for tally in tallies.variants.values())
    comparisons, found = len(tallies.variants) - 1, []
    if ratio.trusted is False:
        shares = ", ".join(f"{name} has {tally.moments.users / users:.1%}" for name, tally in tallies.variants.items())
        text = (
            f"do not trust this experiment: {shares} of the users, which by its weights has a probability of"
            f" {ratio.p_value:.1e}; something other than chance decides who is in which variant, or who is counted"
        )
        found.append(("sample_ratio", text))
    if not available:
        found.append(("not_installed", INSTALL))
    if tallies.mixed > MANY_MIXED * (users + tallies.mixed):
        text = f"{tallies.mixed:,} users were in more than one variant, and are in no figure: assign by user, once"
        found.append(("mixed_users", text))
    if tallies.unknown:
        names = ", ".join(sorted(tallies.unknown)[:5])
        others = sum(tallies.unknown.values())
        text = f"{others:,} users were in variants that are not defined, and are in no figure: {names}"
        found.append(("unknown_variants", text))
    if unpriced:
        text = f"{unpriced:,} calls have no price: costs are higher, and maybe not by the same in each variant"
        found.append(("unpriced", text))
    if experiment.redefined_at is not None:
        text = "what is compared was changed after it had begun: who does so may have seen the figures before"
        found.append(("redefined", text))
    if any(tally.moments.users < FEWEST_USERS for tally in tallies.variants.values()):
        found.append(("few_users", f"a variant has fewer than {FEWEST_USERS} users: nothing is said of differences"))
    if state_of(experiment, today) == "running":
        end = "its end" if experiment.ends is None else f"the end of {experiment.ends}"
        text = (
            f"it is running: intervals hold for one look, at {end}; who looks again and again, and stops when a"
            " difference shows, is misled more often than in 5 % of cases"
        )
        found.append(("running", text))
    if comparisons > 1:
        chance = 1 - CONFIDENCE**comparisons
        text = (
            f"{comparisons} variants are compared with the control: that at least one of them looks different by chance"
            f" has a probability of up to {chance:.0%}, not 5 %"
        )
        found.append(("many_variants", text))
    return [Notice(code=code, message=text) for code, text in found]
