"""Limits as one types them: `10USD/month`, `60requests/minute`, `5concurrent`."""

import re
from decimal import Decimal

from pydantic import ValidationError

from models.faults import faults_of
from models.limits import Allowance, Unit, Window

_FORM = re.compile(r"(?P<amount>\d{1,16}(?:\.\d{1,16})?) ?(?P<unit>[A-Za-z]+)(?:/(?P<window>[a-z]+))?")
_WINDOWS = tuple(window.value for window in Window if window is not Window.PERIOD)


def allowance_of(text: str) -> Allowance:
    """A hard limit: an amount, a unit and, behind a slash, a window; without one, for ever.

    Raises ValueError that says what is wrong.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"{text}: write a limit as 10USD/month or 60requests/minute")
    unit, window = found["unit"].lower(), found["window"] or Window.LIFETIME.value
    if unit not in list(Unit):
        raise ValueError(f"{text}: {found['unit']} is no unit; units are {', '.join(Unit)}")
    if window not in _WINDOWS:
        raise ValueError(f"{text}: {window} is no window; windows are {', '.join(_WINDOWS)}")
    try:
        return Allowance(unit=Unit(unit), window=Window(window), amount=Decimal(found["amount"]))
    except ValidationError as error:
        raise ValueError("; ".join(f"{text}: {fault.field} {fault.message}" for fault in faults_of(error))) from None
