"""Settings that are fine for trying out, and risky in production."""

import stat
from pathlib import Path

from pydantic import SecretStr

from app.database.address import checked
from app.ledger.features import Features
from app.pricing.aliases import Aliases
from app.pricing.estimates import Estimates
from scripts.diagnosis import words
from scripts.diagnosis.examination import in_thread
from scripts.diagnosis.finding import Check, Deployment, Finding, Group, notice, ok, problem

FEWEST_CHARACTERS = 10
"""Distinct characters in 32 random hexadecimal digits: fewer occur once in a thousand."""
INVENTED = ("secret", "password", "changeme", "example", "default")
NEW_SECRET = "set TWINMETER_JWT_SECRET to what `openssl rand -hex 32` prints, the same for every server"  # noqa: S105


async def secret(deployment: Deployment) -> Finding:
    """Whoever can guess it is an administrator."""
    kept = deployment.settings.data_dir.absolute() / "jwt_secret"
    if deployment.settings.jwt_secret is not None:
        return secret_of(deployment.settings.jwt_secret)
    return await in_thread(lambda: _kept_secret(kept))


def secret_of(secret: SecretStr) -> Finding:
    text = secret.get_secret_value()
    repeated = text in (text + text)[1:-1]
    if repeated or len(set(text)) < FEWEST_CHARACTERS or any(word in text.lower() for word in INVENTED):
        return problem("TWINMETER_JWT_SECRET can be guessed: it is not random", NEW_SECRET)
    return ok(f"TWINMETER_JWT_SECRET has {len(text.encode())} bytes")


async def synthetic(deployment: Deployment) -> Finding:
    if deployment.settings.show_synthetic:
        said = "TWINMETER_SHOW_SYNTHETIC is true: demo data counts in every report"
        return problem(said, "set it to false, except for a demo")
    return ok("reports leave out demo data")


async def rate(deployment: Deployment) -> Finding:
    if not deployment.settings.rate_limit:
        said = "TWINMETER_RATE_LIMIT is 0: one caller may use up the whole server"
        return notice(said, "set it to a few times what your busiest caller sends in a second")
    return ok(f"{deployment.settings.rate_limit:,} requests per second for each caller")


async def mongodb(deployment: Deployment) -> Finding:
    if deployment.settings.mongodb_uri is None:
        said = "MongoDB is the embedded one: on one disk, and down with its server"
        return notice(said, "set TWINMETER_MONGODB_URI to a replica set of your own")
    without = checked(deployment.settings.mongodb_uri.get_secret_value()).without
    said = f"; these options of it have no effect here: {words.some(without)}" if without else ""
    return ok(f"TWINMETER_MONGODB_URI is set{said}")


async def identity_provider(deployment: Deployment) -> Finding:
    settings = deployment.settings
    if settings.jwks_url is None:
        return ok("none: only our own secret signs tokens")
    whom = settings.jwt_audience or settings.jwt_authorized_parties
    asked = {"TWINMETER_JWT_ISSUER": settings.jwt_issuer, "TWINMETER_JWT_AUDIENCE": whom}
    if missing := [name for name, value in asked.items() if not value]:
        said = (
            f"TWINMETER_JWKS_URL is set, but not {' and '.join(missing)}: tokens for other applications are valid here"
        )
        return (problem if settings.jwt_issuer is None else notice)(said, "set them: see docs/operations.md")
    return ok("issuer and audience (or authorized party) are required")


async def files(deployment: Deployment) -> Finding:
    """Raises ConfigurationError naming the file and what is wrong in it."""
    settings = deployment.settings
    paths = (settings.features_file, settings.estimates_file, settings.model_aliases)
    named = [path.name for path in paths if path is not None]

    def read() -> None:
        Features.from_file(settings.features_file)
        Estimates(settings.estimates_file)
        Aliases(settings.model_aliases)

    await in_thread(read)
    return ok(f"{words.some(named)} can be used" if named else "none are set: features and estimates are built in")


def _kept_secret(path: Path) -> Finding:
    if not path.exists():
        return notice(f"no signing secret yet; a start of the server creates one in {path.parent}", NEW_SECRET)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return problem(
            f"{path} can be read by others, who can impersonate anyone with it", f"chmod 600 {path}, and change it"
        )
    said = f"the signing secret is kept in {path}: a server with another data folder does not accept this one's tokens"
    return notice(said, NEW_SECRET)


GROUP = Group(
    "settings",
    (
        Check("signing secret", secret, local=True),
        Check("demo data", synthetic, local=True),
        Check("rate limit", rate, local=True),
        Check("own MongoDB", mongodb, local=True),
        Check("identity provider", identity_provider, local=True),
        Check("files", files, local=True),
    ),
)
