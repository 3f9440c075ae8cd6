"""Subjects of limits, as texts: whose calls are counted."""

import re

EVERYONE_SUBJECT = "everyone"
"""The subject of a limit on all calls."""
_ESCAPES = str.maketrans({"%": "%25", "|": "%7C", "@": "%40", ",": "%2C"})
_has_separator = re.compile("[%|@,]").search


def escaped_id(name: str) -> str:
    """`name` as part of a subject or of a counter's id: without the characters that separate their parts."""
    return name.translate(_ESCAPES) if _has_separator(name) else name


def subject_of(kind: str, name: str) -> str:
    """The subject that is a `client`, a `key`, a `feature` or a `campaign` over all clients."""
    return f"{kind}:{escaped_id(name)}"


def campaign_subject(campaign_id: str, client_id: str | None = None) -> str:
    """The subject that is a campaign: over all clients, or of one of them."""
    campaign = subject_of("campaign", campaign_id)
    return campaign if client_id is None else f"{campaign}@{escaped_id(client_id)}"


def user_subject(user_id: str, client_id: str | None = None) -> str:
    """The subject that is a user: over all clients, or at one of them."""
    user = f"user:{escaped_id(user_id)}"
    return user if client_id is None else f"{user}@{escaped_id(client_id)}"
