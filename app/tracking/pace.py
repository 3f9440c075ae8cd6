"""How fast MongoDB commits just now: what a call's wait is estimated from, and how large batches are made."""

import math

DECAY = 0.8
"""The weight of a commit once the next one has been measured: about the last five count."""
QUICKER, DECAY_WHEN_QUICKER = 0.5, 0.2
"""After a commit that took less than half as long as expected: what made the others slow is over."""
USUAL_FIXED, USUAL_EACH = 0.005, 0.0001
"""Seconds, as on a usual machine: where it begins."""
SPREAD, SPREAD_SHARE = 400.0, 0.2
"""Of the sizes of the commits measured, squared, and as a share of their mean: with less, what each call costs cannot
be told from them, because no two commits of one size take equally long."""
BATCH_SECONDS = 0.06
"""How long a commit should take: whoever comes just after its start waits for its end, and for that of the next one.
With smaller batches a call costs more: some milliseconds of each are the same for any number of calls."""
SHARED_SECONDS = 0.03
"""The same where several senders wait: a flood of one is felt by the others as the length of its batches."""
FASTEST_SECONDS = 1e-6
MOST_BY_CHANCE = 3 * USUAL_EACH
"""Seconds of a call that are said to be its own though only slow commits were seen: few calls beside a slow one do not
make a crowd look slow."""
FORGETTING = 1.003
"""By how much more a commit may take that is the quickest of late, with each one."""


class Pace:
    """`seconds = fixed + each * calls`: least squares over the last commits, the later ones counting more."""

    def __init__(self) -> None:
        self.fixed, self.each = USUAL_FIXED, USUAL_EACH
        """Seconds that a commit takes, and more for each of its calls."""
        self._sums = (0.0, 0.0, 0.0, 0.0, 0.0)
        self._quickest = math.inf
        """Seconds of the quickest commit of late. None takes less than what each one takes whatever its calls."""

    def note(self, calls: int, seconds: float) -> None:
        """A commit has taken so long, from one to the next."""
        decay = DECAY if seconds > QUICKER * self.of(calls) else DECAY_WHEN_QUICKER
        n, x, y, xx, xy = (decay * value for value in self._sums)
        n, x, y, xx, xy = self._sums = n + 1, x + calls, y + seconds, xx + calls * calls, xy + calls * seconds
        # commits of one size say nothing of what a call costs: as far as they differ too little it stays what it was
        spread = SPREAD + (SPREAD_SHARE * x) ** 2 / n
        self.each = (xy - x * y / n + spread * self.each) / (xx - x * x / n + spread)
        # one slow commit beside others would say that size costs nothing, and make all that follow large
        self._quickest = min(FORGETTING * self._quickest, seconds)
        by_chance = min((y - self._quickest * n) / x, MOST_BY_CHANCE)
        self.each = max(self.each, by_chance, FASTEST_SECONDS)
        self.fixed = (y - self.each * x) / n
        if self.fixed < 0:
            self.fixed, self.each = 0.0, y / x

    def of(self, calls: int) -> float:
        """The seconds that one commit of so many calls takes."""
        return self.fixed + self.each * calls

    def batch(self, most: int, senders: int = 1) -> int:
        """How many calls a commit should have: for 60 ms, or where any commit takes longer, for as long again."""
        seconds = BATCH_SECONDS if senders <= 1 else SHARED_SECONDS
        return max(1, min(most, int(max(seconds, self.fixed) / self.each)))
