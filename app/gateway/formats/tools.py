"""Tools that a provider runs itself while it answers: each may cost, and what it finds becomes input."""

from collections.abc import Callable

import msgspec
from msgspec import Raw, Struct

MOST_SEARCHES = 10
"""Assumed at most where a request sets no bound of its own; providers set none. What is above shows as an overrun."""
OWN_TOOL_TOKENS = 1_000
"""Of a tool that a provider describes to its model itself: Anthropic's bash, editor and computer have 245 to 735, and
up to 499 for the whole.
"""


class _Tool(Struct):
    type: str | None = None
    max_uses: int | None = None


class Tools:
    """What a request says of its tools. What is no list of tools is left to the provider, which may run it."""

    def __init__(self, raw: Raw | None, *, is_own: Callable[[str], bool], is_remote: Callable[[str], bool]) -> None:
        """`is_own`: by its type, whether the caller runs the tool but the provider describes it; `is_remote`: whether
        the provider runs it.
        """
        unknown = False
        try:
            tools = [] if raw is None else _TOOLS.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            tools, unknown = [], True
        self.any = bool(tools) or unknown
        kinds = [tool.type or "" for tool in tools]
        self.tokens = OWN_TOOL_TOKENS * sum(map(is_own, kinds))
        remote = [tool for tool, kind in zip(tools, kinds, strict=True) if is_remote(kind)]
        self.remote = bool(remote) or unknown
        """Whether input may grow while the model answers."""
        uses = [MOST_SEARCHES if tool.max_uses is None else max(tool.max_uses, 0) for tool in remote]
        self.most_uses = sum(uses)


_TOOLS = msgspec.json.Decoder(list[_Tool])
