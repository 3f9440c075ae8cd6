"""What values a setting may have: texts of the environment become what the code uses, or are refused with the way out.

An error begins with "must": the name of the setting stands before it.
"""

import re
from ipaddress import ip_address
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, SecretStr, StringConstraints
from pydantic_settings import NoDecode

from app.addresses import network_of, origin_of, prefix_of

ClaimName = Annotated[str, StringConstraints(min_length=1, max_length=256)]


def _listed(value: Any) -> Any:
    """The parts of a text between commas."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _mapped(value: Any) -> Any:
    """The pairs of a text such as `admins=admin, backend=service`."""
    if not isinstance(value, str):
        return value
    pairs = [part.rpartition("=") for part in _listed(value)]
    if any(not name.strip() for name, _, _ in pairs):
        raise ValueError("must be pairs such as shop-admins=admin, separated by commas")
    return {name.strip(): role.strip() for name, _, role in pairs}


Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
"""Several texts, separated by commas."""
Mapped = Annotated[dict[str, str], NoDecode, BeforeValidator(_mapped)]
"""Pairs such as `prod_A1=pro, prod_B2=team`."""
Roles = Annotated[dict[str, Literal["admin", "service", "user"]], NoDecode, BeforeValidator(_mapped)]


def _database_name(name: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_-]{1,38}", name) is None:
        raise ValueError("must be 1 to 38 letters, digits, - and _")
    return name


def _mail_sender(text: str) -> str:
    if re.fullmatch(r"[^\x00-\x1f\x7f<>]*<[^@\s<>]+@[^@\s<>]+>|[^@\s<>]+@[^@\s<>]+", text) is None:
        raise ValueError("must be an e-mail address, also as twinmeter <alerts@shop.example>")
    return text


def _proxies(named: tuple[str, ...]) -> tuple[str, ...]:
    return () if named == ("none",) else _networks(named)


def _networks(named: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(network_of(each) for each in named)


def _origins(named: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(origin_of(each) for each in named)


def _mail_addresses(named: tuple[str, ...]) -> tuple[str, ...]:
    valid = r"[^@\s<>,;\x00-\x1f\x7f]+@[^@\s<>,;]+"
    if wrong := [address for address in named if re.fullmatch(valid, address) is None]:
        raise ValueError(f"must be e-mail addresses, separated by commas; {wrong[0]!r} is none")
    return tuple(dict.fromkeys(named))


def _pages_address(url: str) -> str:
    parts = urlsplit(url if re.fullmatch(r"[!-~]+", url) else "")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("must be an address such as https://twinmeter.example or https://shop.example/twinmeter")
    return url.rstrip("/")


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value().encode()) < 32:  # noqa: PLR2004 - see jwt_secret
        raise ValueError("must have at least 32 bytes; `openssl rand -hex 32` makes one")
    return secret


def private_on_its_way(url: str) -> str:
    """An address that nobody can change on its way. Raises ValueError."""
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain a user or a password: what is there is public")
    # whoever can change what comes from there can impersonate anyone
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and _loopback(parts.hostname))):
        raise ValueError("must be an https:// address; http:// is only for this machine")
    return url


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"must be an IANA time zone, such as Europe/Berlin or UTC; {name!r} is not one") from error
    return name


DatabaseName = Annotated[str, AfterValidator(_database_name)]
MailSender = Annotated[str, AfterValidator(_mail_sender)]
Prefix = Annotated[str, AfterValidator(prefix_of)]
Proxies = Annotated[Listed, AfterValidator(_proxies)]
Networks = Annotated[Listed, AfterValidator(_networks)]
Origins = Annotated[Listed, AfterValidator(_origins)]
MailAddresses = Annotated[Listed, AfterValidator(_mail_addresses)]
PagesAddress = Annotated[str, AfterValidator(_pages_address)]
SigningSecret = Annotated[SecretStr, AfterValidator(_long_enough)]
SecureAddress = Annotated[str, AfterValidator(private_on_its_way)]
ZoneName = Annotated[str, AfterValidator(_known_zone)]
