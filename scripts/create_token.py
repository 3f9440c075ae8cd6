"""Print a token for a person or an application.

It is signed with TWINMETER_JWT_SECRET, or with the secret in the data folder when that is not set, so run it where
the server runs. Only the token goes to standard output:

    curl -H "Authorization: Bearer $(python -m scripts.create_token --role admin --user me)" ...
"""

import argparse
import sys
from datetime import timedelta

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.settings import Settings
from models.call import DEFAULT_CLIENT
from scripts.toolkit import command

LASTING = (Role.ADMIN, Role.SERVICE, Role.USER)
"""Roles whose tokens are good for days."""


def main() -> int:
    parser = command.parser("create_token", __doc__)
    parser.add_argument("--role", required=True, choices=[role.value for role in LASTING])
    parser.add_argument("--user", required=True, metavar="ID", help="who the token stands for")
    parser.add_argument("--client", default=DEFAULT_CLIENT, help="whose calls it reads (default: %(default)s)")
    parser.add_argument("--days", type=int, default=30, help="how long it is valid (default: 30)")
    arguments = parser.parse_args()
    if arguments.days < 1:
        parser.error("--days must be 1 or more")
    return command.run(lambda settings: _print_token(arguments, settings))


async def _print_token(arguments: argparse.Namespace, settings: Settings) -> int:
    tokens = Tokens.of(settings)
    token = tokens.issue(arguments.user, Role(arguments.role), timedelta(days=arguments.days), arguments.client)
    sys.stdout.write(f"{token}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
