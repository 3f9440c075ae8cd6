"""What the server's ledger has of a client's calls."""

from __future__ import annotations

from typing import Any

import pymongo
from tests.real_clients.conftest import Account, Deployment


def entries(deployment: Deployment, account: Account) -> list[dict[str, Any]]:
    """All entries of the account."""
    with pymongo.MongoClient[Any](deployment.mongodb_uri) as mongo:
        usage = mongo[deployment.database]["aiusages"]
        return list(usage.find({"clientId": account.client}))
