"""What a request sends beside its texts, and how many tokens that is at most.

Texts are bounded by their bytes: none has more tokens. What is sent as base64, or lies at an address, is bounded by the
rules that providers publish, each named here.
"""

import struct
from binascii import Error as Base64Error
from binascii import a2b_base64
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from fnmatch import fnmatchcase
from typing import NamedTuple

# Tokens of one picture at most, by the model that sees it; the first that fits.
# OpenAI: https://platform.openai.com/docs/guides/images-vision (calculating costs): a base and so many for each tile of
# 512 px, of which there are 8 at most in 2048 x 768; or patches of 32 px, up to 1,536, times a factor of up to 2.46.
# Anthropic: https://platform.claude.com/docs/en/build-with-claude/vision: 4,784 for the models that see the most.
# Google: https://ai.google.dev/gemini-api/docs/tokens: 258 for each tile of 768 px; 16 are a picture of 1 to 5.
_PICTURE: tuple[tuple[str, int], ...] = (
    ("*gpt-4o-mini*", 2_833 + 8 * 5_667),
    ("*gpt-4o*", 85 + 8 * 170),
    ("*gpt-4.1-mini*", 3_779),
    ("*gpt-4.1-nano*", 3_779),
    ("*gpt-4.1*", 1_536),
    ("*gpt-4-turbo*", 85 + 8 * 170),
    ("*gpt-image*", 65 + 8 * 129 + 6_240),
    ("*claude*", 4_784),
    ("*gemini*", 16 * 258),
)
ANY_PICTURE = 24_600
"""For a model of which no rule is known: 10,000 patches, the most that OpenAI's newest take of one picture, at its
highest factor, 2.46.
"""
AUDIO_TOKENS = 32
"""Of a second of sound: Google's rule. OpenAI has 10 and Mistral 12.5."""
AUDIO_BYTES = 750
"""Of a second of sound at least, where its head does not say: 6 kbit/s, the lowest of Opus; MP3 begins at 8."""
_SIZES_MADE = frozenset({None, "1024x1024", "1024x1536", "1536x1024"})
_MADE = {"low": 408, "medium": 1_584}
_MOST_MADE = 6_240
"""https://platform.openai.com/docs/guides/image-generation (cost and latency): by quality, of the largest size."""
_WAV = struct.Struct("<4sI4s4sIHHIIHH")
_PCM = frozenset({1, 3, 0xFFFE})
_MOST_WAVE_BYTES = 192_000 * 2 * 4
"""Of a second: no studio records more, and who says more would only make his file look short."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a request holds."""

    text_bytes: int = 0
    pictures: int = 0
    audio_seconds: Decimal = Decimal(0)
    tool_tokens: int = 0
    """Of tools that the provider describes to its model itself."""
    open_ended: bool = False
    """Whether it names what only the provider can see the size of: a stored file, an earlier answer, a PDF, a video."""

    def most_tokens(self, model: str) -> int | None:
        """Of all that is sent, at most; None for as many as the model takes."""
        if self.open_ended:
            return None
        tokens = self.text_bytes + self.tool_tokens
        if self.pictures:
            tokens += self.pictures * tokens_of_picture(model)
        if self.audio_seconds:
            tokens += int((self.audio_seconds * AUDIO_TOKENS).to_integral_value(ROUND_CEILING))
        return tokens


NOTHING = Sent()


class Pictures(NamedTuple):
    """Pictures that are to be made."""

    number: int
    size: str | None
    quality: str | None
    partial: int = 0
    """That are shown before each is finished, 100 tokens each."""

    def most_tokens(self, model: str) -> int | None:
        """Of output; None where no rule is known: most models sell pictures by the piece."""
        if "gpt-image" not in model.lower() or self.size not in _SIZES_MADE:
            return None
        return self.number * (_MADE.get(self.quality or "auto", _MOST_MADE) + 100 * self.partial)


def tokens_of_picture(model: str) -> int:
    """How many tokens a picture is at most to this model."""
    name = model.lower()
    return next((tokens for pattern, tokens in _PICTURE if fnmatchcase(name, pattern)), ANY_PICTURE)


def most_seconds(size: int, head: bytes) -> Decimal:
    """How long a sound of `size` bytes that begins with `head` is at most: of an uncompressed WAV file by its head."""
    return Decimal(size) / (_bytes_of_wave(head) or AUDIO_BYTES)


def _bytes_of_wave(head: bytes) -> int | None:
    if len(head) < _WAV.size:
        return None
    riff, _, wave, chunk, _, kind, _, rate, _, frame, _ = _WAV.unpack_from(head)
    if (riff, wave, chunk) != (b"RIFF", b"WAVE", b"fmt ") or kind not in _PCM or not rate or not frame:
        return None
    return min(int(rate * frame), _MOST_WAVE_BYTES)


def seconds_of_base64(encoded: bytes) -> Decimal:
    """The same of a sound in base64."""
    try:
        head = a2b_base64(encoded[:64])
    except Base64Error:
        head = b""
    return most_seconds(len(encoded) * 3 // 4, head)
