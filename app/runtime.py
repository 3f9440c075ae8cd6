"""How a process of ours runs Python. A host application that embeds the tracker may do the same."""

import gc

COLLECT_AFTER = 20_000
"""Objects. A batch of waiting calls is some ten thousand, which Python's 700 would have walked over and over."""


def calm_the_collector() -> None:
    """Spare the garbage collector what lives for ever, and what a busy tracker holds for a moment.

    The price tables are 300,000 objects. Call it once, when everything has been loaded.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)
