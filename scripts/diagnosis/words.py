"""Figures as a person reads them."""

from collections.abc import Iterable, Sized

SIZES = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))
SPANS = (("days", 86_400), ("h", 3_600), ("min", 60))
SHOWN = 3


def size(count: int) -> str:
    """Bytes in the largest unit of which there is one at least."""
    unit, factor = next(((unit, factor) for unit, factor in SIZES if count >= factor), ("bytes", 1))
    return f"{count:,} bytes" if factor == 1 else f"{count / factor:.1f} {unit}"


def span(seconds: float) -> str:
    """A duration in the largest unit of which there are two at least."""
    unit, factor = next(((unit, factor) for unit, factor in SPANS if seconds >= 2 * factor), ("s", 1))
    return f"{seconds:.1f} s" if factor == 1 else f"{seconds / factor:.0f} {unit}"


def counted(number: int, what: str, plural: str = "") -> str:
    """`1 call`, `2 calls`."""
    return f"{number:,} {what if number == 1 else plural or what + 's'}"


def some(names: Iterable[str]) -> str:
    """The first three, and how many more there are."""
    names = list(names)
    return ", ".join(names[:SHOWN]) + more(names)


def more(found: Sized) -> str:
    """How many there are beyond those that are shown."""
    return f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
