"""Create an API key for an application.

Only the key goes to standard output, and only this once: twinmeter keeps a hash. It works beside a running server.

    python -m scripts.create_api_key --name "web shop" --scopes ingest,read > key
    curl -H "Authorization: Bearer $(cat key)" ...

A key that calls models through the gateway may have a policy; any key may have limits. All of it, or nothing, is made:

    python -m scripts.create_api_key --name bot --scope gateway --models 'gpt-4o*' --limit 10USD/month

List, change and revoke keys with GET /api/admin/keys, PATCH /api/admin/keys/ID and POST /api/admin/keys/ID/revoke.
"""

import argparse
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from app.auth.api_keys import KeyRing, Store
from app.auth.claims import checked_client, checked_name
from app.auth.principals import Scope
from app.database import connected
from app.database.deployment import mongodb
from app.limits.defining.limits import LimitBook
from app.limits.definitions import Definitions
from app.settings import Settings
from models import ApiKey
from models.call import DEFAULT_CLIENT
from models.faults import faults_of
from models.key_policy import KeyPolicy, OnDisconnect
from scripts.toolkit import command
from scripts.toolkit.allowances import allowance_of

MOST_DAYS = 36_500
OF_A_POLICY = ("models", "user_from_body", "cache_seconds", "cache_tools", "on_disconnect", "content_type")


def main() -> int:
    parser = command.parser("create_api_key", __doc__)
    parser.add_argument("--name", required=True, help="what it is for, as listed later")
    parser.add_argument(
        "--scopes",
        "--scope",
        default=Scope.INGEST.value,
        help="comma-separated, from ingest,read,gateway,admin (default: %(default)s)",
    )
    parser.add_argument(
        "--client", default=DEFAULT_CLIENT, help="whose calls it reports and reads (default: %(default)s)"
    )
    parser.add_argument("--days", type=int, help="how long it is valid (default: until it is revoked)")
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        dest="limits",
        help="what may be used with it, such as 10USD/month, 60requests/minute, 5concurrent; as often as you like",
    )
    policy = parser.add_argument_group("what it may ask of the gateway")
    policy.add_argument("--models", help="comma-separated names; * stands for any text (default: every model)")
    policy.add_argument("--user-from-body", action="store_true", default=None, help="bodies may name the end user")
    policy.add_argument("--cache", type=int, dest="cache_seconds", metavar="SECONDS", help="keep answers so long")
    policy.add_argument("--cache-tools", action="store_true", default=None, help="those of calls with tools, too")
    policy.add_argument("--on-disconnect", choices=list(OnDisconnect), help="when clients leave (default: drain)")
    policy.add_argument("--content-type", help="of calls that name none")
    arguments = parser.parse_args()
    try:
        arguments.scopes = {Scope(name.strip()) for name in arguments.scopes.split(",")}
        arguments.client, arguments.name = checked_client(arguments.client), checked_name(arguments.name)
        arguments.limits = [allowance_of(text) for text in arguments.limits]
        arguments.policy = _policy_of(arguments)
    except ValidationError as error:
        parser.error("; ".join(f"--{field.replace('_', '-')} {message}" for field, message in faults_of(error)))
    except ValueError as error:
        parser.error(str(error))
    if arguments.days is not None and not 1 <= arguments.days <= MOST_DAYS:
        parser.error(f"--days must be 1 to {MOST_DAYS}")
    return command.run(lambda settings: _print_key(arguments, settings))


def _policy_of(arguments: argparse.Namespace) -> KeyPolicy | None:
    """Raises ValueError."""
    given: dict[str, Any] = {name: value for name in OF_A_POLICY if (value := getattr(arguments, name)) is not None}
    if given and Scope.GATEWAY not in arguments.scopes:
        raise ValueError(f"--{next(iter(given)).replace('_', '-')} is for keys with the scope {Scope.GATEWAY}")
    if "models" in given:
        given["models"] = [name.strip() for name in given["models"].split(",")]
    return KeyPolicy(cache="cache_seconds" in given, **given) if given else None


async def _print_key(arguments: argparse.Namespace, settings: Settings) -> int:
    expires_at = None if arguments.days is None else datetime.now(UTC) + timedelta(days=arguments.days)
    with mongodb(settings, shared=True) as uri:
        async with connected(uri, settings.database) as database:
            book = LimitBook(database, Definitions(database, settings.zone))

            async def together(key: ApiKey, store: Store) -> None:
                await book.add_with_key(key, store, arguments.limits)

            key, text = await KeyRing(database).create(
                client=arguments.client,
                scopes=arguments.scopes,
                name=arguments.name,
                expires_at=expires_at,
                created_by="scripts.create_api_key",
                policy=arguments.policy,
                together=together if arguments.limits else None,
            )
    sys.stdout.write(f"{text}\n")
    until = "until it is revoked" if expires_at is None else f"until {expires_at:%Y-%m-%d %H:%M} UTC"
    limits = "".join(f", {each.amount.normalize():f} {each.unit} per {each.window}" for each in arguments.limits)
    said = f"key {key.key_id} of client {key.client_id}: {', '.join(key.scopes)}, {until}{limits}"
    sys.stderr.write(f"{said}; keep it now\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
