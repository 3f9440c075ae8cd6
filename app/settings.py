"""Every setting of twinmeter, read from the environment (prefix `TWINMETER_`) and an `.env` file."""

from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.kept_secret import kept_secret
from app.setting_kinds import (
    ClaimName,
    DatabaseName,
    Listed,
    MailAddresses,
    MailSender,
    Mapped,
    Networks,
    Origins,
    PagesAddress,
    Prefix,
    Proxies,
    Roles,
    SecureAddress,
    SigningSecret,
    ZoneName,
)


class Settings(BaseSettings):
    """One deployment's settings. `.env.example` lists them all with their meaning."""

    model_config = SettingsConfigDict(
        env_prefix="TWINMETER_", env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65_535)
    workers: int = Field(1, ge=1, le=64)
    """How many processes serve, on one port."""
    drain_seconds: float = Field(0, ge=0, le=600)
    """How long a server that was told to stop goes on serving, while `/ready` says `stopping`."""
    root_path: Prefix = ""
    """The prefix under which a proxy serves this deployment, such as `/twinmeter`."""
    trusted_proxies: Proxies = ("127.0.0.1", "::1")
    """Addresses and networks of the proxies whose `X-Forwarded-` headers are believed; `none` for none."""
    cors_origins: Origins = ()
    """Origins whose pages may call the API from a browser."""
    embed_origins: Origins = ()
    """Origins whose pages may show a user's panel."""
    data_dir: Path = Path(".data")
    mongodb_uri: SecretStr | None = None
    """A replica set or sharded cluster. Without it an embedded MongoDB is started in `data_dir`."""
    database: DatabaseName = "twinmeter"
    jwt_secret: SigningSecret | None = None
    """At least 32 bytes, as HS256 asks for (RFC 7518, 3.2). Without it one is generated and kept in `data_dir`."""
    jwks_url: SecureAddress | None = None
    """Where an identity provider has its public keys (RFC 7517). Without it only our own secret signs tokens."""
    jwt_issuer: str | None = None
    jwt_audience: Listed = ()
    jwt_authorized_parties: Listed = ()
    """Whom an identity provider may have issued its tokens to (`azp`); such a token need not name an audience."""
    jwt_role_claim: ClaimName = "role"
    """A claim's exact name, or a dotted path into claims."""
    jwt_roles: Roles = Field(default_factory=dict)
    """What an identity provider's roles mean here. Without it the names are our own."""
    jwt_user_claim: ClaimName = "sub"
    jwt_client_claim: ClaimName = "client"
    oidc_issuer: SecureAddress | None = None
    """The identity provider at which people sign in to the pages (OpenID Connect), beside tokens and keys."""
    oidc_name: str | None = Field(None, min_length=1, max_length=40)
    """What the button calls it; by default the host of its issuer."""
    oidc_client_id: str | None = Field(None, min_length=1, max_length=256)
    oidc_client_secret: SecretStr | None = None
    """Without one, and without the file, this is a public client: PKCE alone protects the code."""
    oidc_client_secret_file: Path | None = None
    oidc_scopes: str = Field("openid email profile", pattern=r"^(\S+ )*openid( \S+)*$")
    oidc_user_claim: ClaimName = "email"
    """Who somebody is here. Where it is missing, or an address that is not verified, `sub` is used."""
    oidc_admin_claim: ClaimName | None = None
    """The claim that says who is an administrator: an exact name, or a dotted path into claims."""
    oidc_admin_values: Listed = ()
    """Its values for administrators, one of which is enough."""
    oidc_client_claim: ClaimName | None = None
    """The claim that names the one client of which somebody is an administrator; by default of all clients."""
    session_hours: int = Field(12, ge=1, le=168)
    """How long a session of the pages lasts, at most: it never outlives its token or key."""
    timezone: ZoneName = "UTC"
    """IANA name of the zone in which days are counted."""
    features_file: Path | None = None
    estimates_file: Path | None = None
    model_aliases: Path | None = None
    """A TOML file of deployments and aliases, and the provider and model that each stands for."""
    track_deadline_ms: int = Field(250, ge=1, le=60_000)
    """How long reporting a call in process may block its caller, at most."""
    door_deadline_seconds: float = Field(10, ge=0.25, le=60)
    """How long whoever reports calls over HTTP waits for the commit, at most, unless the request asks for less."""
    spool_max_mb: int = Field(1_024, ge=1, le=1_000_000)
    """How much disk space calls that wait for MongoDB may take; about a thousand bytes each."""
    rate_limit: int = Field(0, ge=0, le=1_000_000)
    """Requests per second that each caller may send to one server and its workers; 0 for no limit."""
    gateway_file: Path | None = None
    """A TOML file of upstreams and models, see docs/gateway.md. Without it this server is no gateway."""
    gateway_max_body_bytes: int = Field(32_000_000, ge=1_000, le=1_000_000_000)
    """The most that a request through the gateway may have."""
    gateway_cache_bytes: int = Field(64_000_000, ge=0, le=64_000_000_000)
    """Memory of each process for answers that are given again, where a key or a request wants that; 0 for none."""
    gateway_cache_shared: bool = False
    """Whether processes share these answers: encrypted, in a collection of their own, until they expire."""
    gateway_ca_file: Path | None = None
    """Certificates of authorities that upstreams may have theirs from, beside the system's."""
    gateway_use_proxies: bool = False
    """Whether upstreams are reached through the proxies that the environment names (`HTTPS_PROXY`, `NO_PROXY`)."""
    max_connections: int = Field(2_000, ge=10, le=100_000)
    """How many connections one process holds; later ones are told to come back."""
    store_ip_address: bool = False
    """Whether the network of a caller's IP address is kept: IPv4 to /24, IPv6 to /48."""
    store_user_agent: bool = False
    show_synthetic: bool = False
    """Whether reports include demo data when the request does not say."""
    public_url: PagesAddress | None = None
    """Where people reach this deployment's pages, for links in messages; without it they have none."""
    spending_alerts: bool = True
    """Whether somebody is told of unusual spending: cost, failed calls, latency, models without a price."""
    spending_alerts_floor_usd: Decimal = Field(Decimal(10), ge=0, le=1_000_000, allow_inf_nan=False, decimal_places=6)
    """By so much a day or an hour must cost more than usual."""
    webhooks_to_private_addresses: Networks = ()
    """Private addresses and networks that webhooks may be sent to, also over plain http."""
    smtp_host: str | None = None
    """The server through which alerts are sent as e-mail; without it there is none."""
    smtp_port: int = Field(587, ge=1, le=65_535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_from: MailSender = "twinmeter@localhost"
    month_report_to: MailAddresses = ()
    """E-mail addresses to which the report of each month is sent on the first day of the next one."""
    stripe_webhook_secret: SecretStr | None = None
    """Of the endpoint that Stripe sends events to (`whsec_...`); two, separated by commas, while it is changed. Without
    it, and without the file, Stripe is not set up.
    """
    stripe_webhook_secret_file: Path | None = None
    stripe_api_key: SecretStr | None = None
    """A key that may read: then each event's object is fetched as it is now."""
    stripe_api_key_file: Path | None = None
    stripe_api_base: str | None = None
    """Where Stripe's API is, if not at Stripe."""
    stripe_mode: Literal["live", "test"] | None = None
    """Whose events are taken; by default that of the API key, and live without one."""
    stripe_account: str | None = None
    """The connected account whose events are taken, where they are of one."""
    stripe_plans: Mapped = Field(default_factory=dict)
    """The plan of each product of Stripe's, where its prices say none by `plan` in their metadata or a lookup key."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def _whole_provider(self) -> Self:
        """An identity provider needs all of it: without who is an administrator, nobody could sign in."""
        needed = ("oidc_client_id", "oidc_admin_claim", "oidc_admin_values")
        if self.oidc_issuer is None:
            if self.oidc_client_id is not None:
                raise ValueError("TWINMETER_OIDC_CLIENT_ID is of use with TWINMETER_OIDC_ISSUER: set both")
        elif missing := [f"TWINMETER_{name.upper()}" for name in needed if not getattr(self, name)]:
            raise ValueError(f"TWINMETER_OIDC_ISSUER also needs {' and '.join(missing)}")
        return self

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def track_deadline(self) -> timedelta:
        return timedelta(milliseconds=self.track_deadline_ms)

    @property
    def session_lifetime(self) -> timedelta:
        return timedelta(hours=self.session_hours)

    @property
    def spool_max_bytes(self) -> int:
        return self.spool_max_mb * 1_000_000

    @cached_property
    def signing_secret(self) -> str:
        """The HS256 secret: the one configured, else the one kept in the data folder, made at first use."""
        if self.jwt_secret is not None:
            return self.jwt_secret.get_secret_value()
        return kept_secret(self.data_dir / "jwt_secret")
