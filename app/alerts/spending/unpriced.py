"""Which models have no price, and which content types are not mapped: each is told once."""

from collections.abc import Iterator
from datetime import date

from app.alerts.spending.cells import Cells, Moment
from app.alerts.spending.telling import Place, Told, more_unpriced_told, unmapped_told, unpriced_told
from models.alerts import AlertKind
from models.rollups import EVERYONE, FINDINGS, Finding
from models.unpriced import UnpricedCode

KIND = AlertKind.SPENDING_UNPRICED
MOST = 20
"""Of a day. An application that makes up names must not fill everybody's inbox."""
NO_PRICE = {UnpricedCode.MODEL_UNKNOWN, UnpricedCode.SELLER_UNCERTAIN, UnpricedCode.PRICE_MISSING, ""}
"""Reasons that are about the model; others are about what one call said of its usage."""


def unpriced(cells: Cells, day: date, place: Place) -> Iterator[Told]:
    """What has no price or no mapping on a day, told already or not. Raises PyMongoError."""
    counts: dict[tuple[str, ...], int] = {}
    for cell in cells.of(FINDINGS, [EVERYONE], [day], ("requests",)):
        found = tuple(cell["_id"][name] for name in ("kind", "provider", "model", "name"))
        counts[found] = counts.get(found, 0) + cell.get("requests", 0)
    for (kind, provider, model, name), count in sorted(counts.items()):
        if count > 0 and kind == Finding.UNPRICED and name in NO_PRICE:
            yield unpriced_told((provider, model), name, count, day, place)
        elif count > 0 and kind == Finding.UNMAPPED:
            yield unmapped_told(name, count, day, place)


class UnpricedRule:
    """Looks at findings of the running day. For one thread."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def find(self, cells: Cells, moments: list[Moment]) -> Iterator[Told]:
        """What is not told yet. Raises PyMongoError."""
        now = moments[0]
        told = {each.key: each for each in unpriced(cells, now.day, self._place)}
        known = cells.recorded(KIND, told)
        fresh = [each for key, each in told.items() if key not in known]
        left = max(0, MOST - cells.raised_since(KIND, now.midnight)) if fresh else 0
        yield from fresh[:left]
        more = more_unpriced_told(MOST, now.day, self._place)
        if len(fresh) > left and not cells.recorded(KIND, [more.key]):
            yield more
