"""Create an API key for an application.

Only the key goes to standard output, and only this once: twinmeter keeps a hash. It works beside a running server.

    python -m scripts.create_api_key --name "web shop" --scopes ingest,read > key
    curl -H "Authorization: Bearer $(cat key)" ...

List and revoke keys with GET /api/admin/keys and POST /api/admin/keys/ID/revoke.
"""

import argparse
import sys
from datetime import UTC, datetime, timedelta

from app.auth.api_keys import KeyRing
from app.auth.claims import checked_client, checked_name
from app.auth.principals import Scope
from app.database import connected
from app.database.deployment import mongodb
from app.settings import Settings
from models.call import DEFAULT_CLIENT
from scripts.toolkit import command

MOST_DAYS = 36_500


def main() -> int:
    parser = command.parser("create_api_key", __doc__)
    parser.add_argument("--name", required=True, help="what it is for, as listed later")
    parser.add_argument(
        "--scopes", default=Scope.INGEST.value, help="comma-separated, from ingest,read,admin (default: %(default)s)"
    )
    parser.add_argument(
        "--client", default=DEFAULT_CLIENT, help="whose calls it reports and reads (default: %(default)s)"
    )
    parser.add_argument("--days", type=int, help="how long it is valid (default: until it is revoked)")
    arguments = parser.parse_args()
    try:
        arguments.scopes = {Scope(name.strip()) for name in arguments.scopes.split(",")}
        arguments.client, arguments.name = checked_client(arguments.client), checked_name(arguments.name)
    except ValueError as error:
        parser.error(str(error))
    if arguments.days is not None and not 1 <= arguments.days <= MOST_DAYS:
        parser.error(f"--days must be 1 to {MOST_DAYS}")
    return command.run(lambda settings: _print_key(arguments, settings))


async def _print_key(arguments: argparse.Namespace, settings: Settings) -> int:
    expires_at = None if arguments.days is None else datetime.now(UTC) + timedelta(days=arguments.days)
    with mongodb(settings, shared=True) as uri:
        async with connected(uri, settings.database) as database:
            key, text = await KeyRing(database).create(
                client=arguments.client,
                scopes=arguments.scopes,
                name=arguments.name,
                expires_at=expires_at,
                created_by="scripts.create_api_key",
            )
    sys.stdout.write(f"{text}\n")
    until = "until it is revoked" if expires_at is None else f"until {expires_at:%Y-%m-%d %H:%M} UTC"
    sys.stderr.write(f"key {key.key_id} of client {key.client_id}: {', '.join(key.scopes)}, {until}; keep it now\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
