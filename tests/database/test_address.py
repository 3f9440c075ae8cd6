"""What of an address counts: a table."""

import pytest
from pymongo.common import URI_OPTIONS_VALIDATOR_MAP

from app.database.address import GUARANTEED, OPERATORS, checked
from app.errors import ConfigurationError

WITHOUT_EFFECT = frozenset(
    {
        *("readpreference", "readpreferencetags", "maxstalenessseconds", "readconcernlevel"),
        *("w", "wtimeoutms", "journal", "fsync", "retrywrites", "retryreads"),
        *("connecttimeoutms", "sockettimeoutms", "serverselectiontimeoutms", "timeoutms", "waitqueuetimeoutms"),
        *("heartbeatfrequencyms", "localthresholdms", "maxidletimems", "servermonitoringmode", "connect"),
        *("maxpoolsize", "minpoolsize", "maxconnecting", "waitqueuemultiple"),
        *("tz_aware", "uuidrepresentation", "unicode_decode_error_handler", "datetime_conversion"),
        *("driver", "server_api", "maxadaptiveretries", "enableoverloadretargeting"),
    }
)


def test_each_option_that_the_driver_knows_is_decided() -> None:
    assert set(URI_OPTIONS_VALIDATOR_MAP) == OPERATORS | WITHOUT_EFFECT
    assert OPERATORS.isdisjoint(WITHOUT_EFFECT)


@pytest.mark.parametrize(
    ("uri", "kept", "without"),
    [
        ("mongodb://h", "mongodb://h", ()),
        ("mongodb://h/", "mongodb://h/", ()),
        ("mongodb://u:p%3F%26@h/shop?authSource=x", "mongodb://u:p%3F%26@h/shop?authSource=x", ()),
        ("mongodb+srv://h/?retryWrites=true&w=majority", "mongodb+srv://h/?", ("retryWrites", "w")),
        ("mongodb://h/?replicaSet=r&READPREFERENCE=nearest", "mongodb://h/?replicaSet=r", ("READPREFERENCE",)),
        ("mongodb://h/?tls=true;timeoutMS=1;appName=shop", "mongodb://h/?tls=true;appName=shop", ("timeoutMS",)),
        (
            "mongodb://h/?readPreferenceTags=dc:a,b:c&readPreferenceTags=&maxPoolSize=1&directConnection=true",
            "mongodb://h/?directConnection=true",
            ("readPreferenceTags", "maxPoolSize"),
        ),
        ("mongodb://h/?retryWrite=false", "mongodb://h/?", ("retryWrite",)),
    ],
)
def test_the_operators_options_are_kept_as_they_are_and_all_others_are_named(
    uri: str, kept: str, without: tuple[str, ...]
) -> None:
    address = checked(uri)

    assert (address.uri, address.without) == (kept, without)
    assert address.options.items() >= GUARANTEED.items()


@pytest.mark.parametrize(("uri", "name"), [("mongodb://h", "twinmeter"), ("mongodb://h/?appName=shop", None)])
def test_a_connection_has_our_name_unless_the_address_has_one(uri: str, name: str | None) -> None:
    assert checked(uri).options.get("appName") == name


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ("w=0", "a call is `committed` only when MongoDB has confirmed it"),
        ("journal=false", "a call is `committed` only when it is in MongoDB's journal"),
        ("readPreference=secondary", "figures are exact only on the primary, and transactions read nowhere else"),
        ("READPREFERENCE=Secondary", "figures are exact only on the primary, and transactions read nowhere else"),
    ],
)
def test_an_option_that_contradicts_what_we_guarantee_refuses_the_start(option: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        checked(f"mongodb://user:secret@h/?replicaSet=r&{option}")

    assert str(refused.value) == f"TWINMETER_MONGODB_URI has {option}, but {why}: leave it out"


@pytest.mark.parametrize("uri", ["localhost:27017", "postgres://localhost", "//h", "mongodb:/h", " mongodb://h"])
def test_an_address_without_a_scheme_of_mongodb_is_told(uri: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^TWINMETER_MONGODB_URI must begin with mongodb:// or mongodb\+srv://"
    ):
        checked(uri)
