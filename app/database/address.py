"""Which options of MongoDB's address count. What our guarantees need is set here, for every client that is opened."""

from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from app.errors import ConfigurationError

SETTING = "TWINMETER_MONGODB_URI"
SCHEMES = ("mongodb://", "mongodb+srv://")
APP_NAME = "twinmeter"

GUARANTEED: dict[str, Any] = {
    # figures are exact on the primary alone, and a transaction reads nowhere else
    "readPreference": "primary",
    # of single reads, whatever the server's default is; transactions and snapshots have their own
    "readConcernLevel": "local",
    # what `committed` means: on the journals of a majority
    "w": "majority",
    "journal": True,
    "retryWrites": True,
    "retryReads": True,
    "tz_aware": True,
    # a moment beyond Python's calendar, which nothing of ours stores, is no reason to read nothing
    "datetime_conversion": "DATETIME_AUTO",
}
OPERATORS = frozenset(
    {
        *("replicaset", "directconnection", "loadbalanced", "srvservicename", "srvmaxhosts", "srvallowedhostssuffix"),
        *("authmechanism", "authmechanismproperties", "authsource"),
        *("tls", "ssl", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames", "tlscafile", "tlscrlfile"),
        *("tlscertificatekeyfile", "tlscertificatekeyfilepassword", "tlsdisableocspendpointcheck", "tlsinsecure"),
        *("compressors", "zlibcompressionlevel", "appname"),
    }
)
"""Options that the address decides: which servers, who we are, and how bytes travel. All others have no effect: beside
the above those are time-outs (each use has its own), pools, monitoring, and how values are decoded."""
CONTRADICTIONS = {
    ("w", "0"): "a call is `committed` only when MongoDB has confirmed it",
    ("journal", "false"): "a call is `committed` only when it is in MongoDB's journal",
    ("readpreference", "secondary"): "figures are exact only on the primary, and transactions read nowhere else",
}
"""What nobody can want from a ledger: such an address is meant for something else."""


class Address(NamedTuple):
    """A checked address."""

    uri: str
    """With the operator's options alone."""
    without: tuple[str, ...]
    """The names of options that it had and that have no effect here."""
    options: dict[str, Any]
    """What a client is opened with besides."""


def checked(uri: str) -> Address:
    """The address of our own MongoDB. Raises ConfigurationError where it has no scheme of MongoDB's, or an option
    contradicts what we guarantee.
    """
    if not uri.startswith(SCHEMES):
        raise ConfigurationError(
            f"{SETTING} must begin with mongodb:// or mongodb+srv://, as mongodb://localhost:27017"
        )
    place, mark, query = uri.partition("?")
    separator = ";" if ";" in query and "&" not in query else "&"
    kept, without, named = [], [], set()
    for part in filter(None, query.split(separator)):
        name, _, value = part.partition("=")
        known = unquote_plus(name).lower()
        if (why := CONTRADICTIONS.get((known, unquote_plus(value).lower()))) is not None:
            raise ConfigurationError(f"{SETTING} has {part}, but {why}: leave it out")
        named.add(known)
        if known in OPERATORS:
            kept.append(part)
        else:
            without.append(name)
    own_name = {} if "appname" in named else {"appName": APP_NAME}
    return Address(f"{place}{mark}{separator.join(kept)}", tuple(dict.fromkeys(without)), GUARANTEED | own_name)
