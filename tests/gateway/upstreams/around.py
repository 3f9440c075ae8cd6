"""A gateway's file, and what it is read in."""

from pathlib import Path

from app.gateway.upstreams.building import Surroundings, built
from app.gateway.upstreams.catalog import Catalog
from app.gateway.upstreams.file import read

KEYS = {
    name: f"sk-{name.lower().replace('_', '-')}-secret"
    for name in (
        "OPENAI_API_KEY",
        "AZURE_OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
        "GROQ_API_KEY",
        "MISTRAL_API_KEY",
        "DEEPSEEK_API_KEY",
        "OPENROUTER_API_KEY",
        "TOGETHER_API_KEY",
    )
}
AROUND = Surroundings(KEYS, "127.0.0.1", 8000, "https://meter.example/twinmeter")


def catalog_of(text: str, folder: Path, around: Surroundings = AROUND) -> Catalog:
    """What the text says as a gateway's file. Raises GatewayFileError."""
    path = folder / "gateway.toml"
    path.write_text(text)
    return built(read(path), around)
