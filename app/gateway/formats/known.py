"""Every API that the gateway speaks."""

from collections.abc import Mapping
from types import MappingProxyType

from app.gateway.formats.anthropic import Anthropic
from app.gateway.formats.base import Api, Format
from app.gateway.formats.gemini import Gemini
from app.gateway.formats.openai import OpenAI

FORMATS: Mapping[Api, Format] = MappingProxyType(
    {Api.OPENAI: OpenAI(), Api.ANTHROPIC: Anthropic(), Api.GEMINI: Gemini()}
)
