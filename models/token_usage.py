"""How many tokens one model call used, in the one convention of this project."""

from typing import NamedTuple


class TokenUsage(NamedTuple):
    """Tokens of one model call, under OpenTelemetry's convention: a total includes its parts.

    `input_tokens` includes cache reads, cache writes, and audio, image and video input; `output_tokens` includes
    reasoning, and audio and image output. Names are those of genai-prices. Every count is a whole number of tokens,
    zero or more, except `web_searches`, which counts searches that the provider ran and bills one by one.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    """All cache writes; those that are not in `cache_write_1h_tokens` are kept for five minutes."""
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    cache_audio_read_tokens: int = 0
    input_image_tokens: int = 0
    output_image_tokens: int = 0
    cache_image_read_tokens: int = 0
    input_video_tokens: int = 0
    web_searches: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


TOKEN_FIELDS = TokenUsage._fields
"""Names of every count, in order. Every other list of token kinds is derived from this one."""
PART_TOKENS = TOKEN_FIELDS[2:]
"""All but the two totals; most calls do not have them."""

PARTS_OF: dict[str, tuple[str, ...]] = {
    "input_tokens": ("cache_read_tokens", "cache_write_tokens"),
    "cache_write_tokens": ("cache_write_1h_tokens",),
    "cache_read_tokens": ("cache_audio_read_tokens", "cache_image_read_tokens"),
    "input_audio_tokens": ("cache_audio_read_tokens",),
    "input_image_tokens": ("cache_image_read_tokens",),
    "output_tokens": ("reasoning_tokens",),
}
"""A total and the parts that cannot together exceed it."""

MODALITIES_OF: dict[str, tuple[str, ...]] = {
    "input_tokens": ("input_audio_tokens", "input_image_tokens", "input_video_tokens"),
    "output_tokens": ("output_audio_tokens", "output_image_tokens"),
}
"""A total and its non-text parts, which cannot together exceed it either."""


PART_FIELDS = frozenset(part for rule in (PARTS_OF, MODALITIES_OF) for parts in rule.values() for part in parts)
"""Every count that is part of another one. Where none of them is used, nothing can contradict."""


_RULES = tuple(
    (TOKEN_FIELDS.index(total), tuple(map(TOKEN_FIELDS.index, parts)))
    for rule in (PARTS_OF, MODALITIES_OF)
    for total, parts in rule.items()
)
"""Both tables by the places of the counts."""


def contradictions(usage: TokenUsage) -> list[tuple[str, str]]:
    """Contradictions in `usage`: pairs of (field at fault, reason). Empty when every part fits its total."""
    if not any(usage[2:]) and usage.input_tokens >= 0 and usage.output_tokens >= 0:
        return []
    found = [(name, "must be zero or more") for name, count in zip(TOKEN_FIELDS, usage, strict=True) if count < 0]
    for total, parts in _RULES:
        if sum(map(usage.__getitem__, parts)) > usage[total]:
            used = [TOKEN_FIELDS[part] for part in parts if usage[part]]
            found.append((used[0], f"{' and '.join(used)} cannot exceed {TOKEN_FIELDS[total]} ({usage[total]})"))
    return found
