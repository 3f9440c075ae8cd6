"""Content types and the features they count as."""

from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.ledger.features import Feature, Features
from models import ServiceType


@pytest.mark.parametrize(
    ("content_type", "feature", "service_type"),
    [
        ("experience-description", "content-gen", "content"),
        ("project-description", "content-gen", "content"),
        ("summary", "content-gen", "content"),
        ("bullets", "content-gen", "content"),
        ("quantify", "content-gen", "content"),
        ("tailored-bullets", "ats-optimizer", "content"),
        ("keywords", "ats-optimizer", "content"),
        ("job-match", "job-matcher", "content"),
        ("cover-letter", "cover-letter", "content"),
        ("skill-gap", "skill-gap", "content"),
        ("suggest-skills", "skill-gap", "content"),
        ("linkedin-post", "linkedin-post", "content"),
        ("career", "career", "content"),
        ("chat", "chat", "chat"),
        ("chat-stream", "chat", "chat"),
        ("image-generation", "image-gen", "image"),
        ("video-generation", "video-gen", "video"),
        ("transcription", "transcription", "audio"),
        ("speech", "speech", "audio"),
        ("embedding", "embedding", "embedding"),
    ],
)
def test_content_type_counts_as_its_feature(content_type: str, feature: str, service_type: str) -> None:
    assert Features().of(content_type) == Feature(feature, ServiceType(service_type))


def test_unmapped_content_type_keeps_its_own_name() -> None:
    features = Features()

    assert features.of("haiku") == Feature("haiku", ServiceType.CONTENT, mapped=False)


def test_a_file_adds_and_replaces_entries(tmp_path: Path) -> None:
    file = tmp_path / "features.toml"
    file.write_text(
        '[features]\nhaiku = "poetry"\nchat = "support"\nposter = { feature = "art", service_type = "image" }\n'
    )

    features = Features.from_file(file)

    assert features.of("haiku") == Feature("poetry", ServiceType.CONTENT)
    assert features.of("chat") == Feature("support", ServiceType.CHAT)
    assert features.of("poster") == Feature("art", ServiceType.IMAGE)
    assert features.of("summary") == Feature("content-gen", ServiceType.CONTENT)


@pytest.mark.parametrize("text", ["features = 3", "[features]\nx = { service_type = 'image' }", "[features", "[other]"])
def test_a_file_that_cannot_be_used_says_which_setting_and_why(tmp_path: Path, text: str) -> None:
    file = tmp_path / "features.toml"
    file.write_text(text)

    with pytest.raises(ConfigurationError, match=r"TWINMETER_FEATURES_FILE: .*features\.toml cannot be used"):
        Features.from_file(file)


def test_a_missing_file_is_said() -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml"):
        Features.from_file(Path("nowhere.toml"))
