"""What the users of the drill may use, what each of their calls asks for, and what it uses then: never more."""

import random
from decimal import Decimal
from typing import Any, NamedTuple

Fields = dict[str, Any]

CHAT = {"contentType": "chat", "model": "gpt-4o"}
INPUT, OUTPUT = 200, 100
"""Tokens that a call of a chat asks for."""
IMAGES = 2
SECONDS = 8


class Limited(NamedTuple):
    """One hard limit, as an administrator makes it, without its scope."""

    unit: str
    amount: int | Decimal
    window: str = "day"
    filter: Fields | None = None

    def body(self, scope: Fields) -> Fields:
        said = {"scope": scope, "unit": self.unit, "window": self.window, "amount": self.amount, "kind": "hard"}
        return said | ({} if self.filter is None else {"filter": self.filter})


class Kind(NamedTuple):
    """Users of one kind."""

    limits: tuple[Limited, ...]
    service: str = "chat"
    loose: bool = False
    """Whether their applications also report calls for which they have not asked, late or twice over."""


KINDS = {
    "requests": Kind((Limited("requests", 25),)),
    "tokens": Kind((Limited("tokens", 6_000),)),
    "usd": Kind((Limited("usd", Decimal("0.04")),)),
    "images": Kind((Limited("images", 30),), "image"),
    "seconds": Kind((Limited("seconds", 120),), "video"),
    "concurrent": Kind((Limited("concurrent", 3, "lifetime"), Limited("requests", 60))),
    "two": Kind((Limited("requests", 30), Limited("tokens", 5_000))),
    "feature": Kind((Limited("requests", 20, filter={"feature": "chat"}),)),
    "minute": Kind((Limited("requests", 10, "minute"), Limited("requests", 40))),
    "loose": Kind((Limited("requests", 25),), loose=True),
}
"""By the beginning of the users' names."""
OF_CLIENT = Limited("requests", 180)
"""All users of a client together, less than the sum of what they may by themselves."""


def asked(kind: Kind) -> Fields:
    """The fields of a reservation that say how much is wanted."""
    match kind.service:
        case "image":
            return {"contentType": "image-generation", "model": "dall-e-3", "provider": "openai", "images": IMAGES}
        case "video":
            return {"contentType": "video-generation", "model": "runway-gen4", "videoSeconds": SECONDS}
    return {**CHAT, "inputTokens": INPUT, "maxOutputTokens": OUTPUT}


def used(kind: Kind, rng: random.Random) -> Fields:
    """The fields of the call."""
    match kind.service:
        case "image":
            return {**asked(kind), "images": rng.randint(1, IMAGES)}
        case "video":
            return {**asked(kind), "videoSeconds": rng.randint(1, 2 * SECONDS) / 2}
    return {**CHAT, "inputTokens": rng.randint(1, INPUT), "outputTokens": rng.randint(0, OUTPUT)}
