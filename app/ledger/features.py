"""Maps a content type to its feature and to the kind of model that it calls."""

import tomllib
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import ConfigurationError
from models import ServiceType


class Feature(NamedTuple):
    """What a content type counts as."""

    name: str
    service_type: ServiceType
    mapped: bool = True
    """Whether the content type is known; an unknown one keeps its own name."""


_CONTENT = ServiceType.CONTENT

BUILT_IN: dict[str, Feature] = {
    "experience-description": Feature("content-gen", _CONTENT),
    "project-description": Feature("content-gen", _CONTENT),
    "summary": Feature("content-gen", _CONTENT),
    "bullets": Feature("content-gen", _CONTENT),
    "quantify": Feature("content-gen", _CONTENT),
    "tailored-bullets": Feature("ats-optimizer", _CONTENT),
    "keywords": Feature("ats-optimizer", _CONTENT),
    "job-match": Feature("job-matcher", _CONTENT),
    "cover-letter": Feature("cover-letter", _CONTENT),
    "skill-gap": Feature("skill-gap", _CONTENT),
    "suggest-skills": Feature("skill-gap", _CONTENT),
    "linkedin-post": Feature("linkedin-post", _CONTENT),
    "career": Feature("career", _CONTENT),
    "chat": Feature("chat", ServiceType.CHAT),
    "chat-stream": Feature("chat", ServiceType.CHAT),
    "image-generation": Feature("image-gen", ServiceType.IMAGE),
    "video-generation": Feature("video-gen", ServiceType.VIDEO),
    "transcription": Feature("transcription", ServiceType.AUDIO),
    "speech": Feature("speech", ServiceType.AUDIO),
    "embedding": Feature("embedding", ServiceType.EMBEDDING),
}


class Features:
    """The mapping of one deployment: the built-in one, with entries added or replaced by a TOML file."""

    def __init__(self, added: dict[str, Feature] | None = None) -> None:
        self._mapping = BUILT_IN | (added or {})

    @classmethod
    def from_file(cls, path: Path | None) -> "Features":
        """Read the `[features]` table of `path`. Raises ConfigurationError naming the file and the entry at fault."""
        return cls(_read(path) if path else None)

    def of(self, content_type: str) -> Feature:
        """An unmapped content type keeps its own name as its feature, and counts as content."""
        return self._mapping.get(content_type) or Feature(content_type, _CONTENT, mapped=False)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")
    feature: str
    service_type: ServiceType = _CONTENT


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    features: dict[str, str | _Entry]


def _read(path: Path) -> dict[str, Feature]:
    try:
        file = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise ConfigurationError(f"TWINMETER_FEATURES_FILE: {path} cannot be used: {error}") from error
    return {content_type: _feature(content_type, entry) for content_type, entry in file.features.items()}


def _feature(content_type: str, entry: str | _Entry) -> Feature:
    if isinstance(entry, _Entry):
        return Feature(entry.feature, entry.service_type)
    known = BUILT_IN.get(content_type)
    return Feature(entry, known.service_type if known else _CONTENT)
