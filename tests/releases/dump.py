"""What a release left behind, as small files: a dump of its database, its data folder, and what it said."""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import pymongo
from bson import json_util

RELEASES = Path(__file__).parents[1] / "data" / "releases"
DATABASE = "twinmeter"
"""The name under which every release was recorded."""
EXACT = json_util.CANONICAL_JSON_OPTIONS


@dataclass
class Recording:
    """One release's data. `facts` are what a client or an operator knew of it."""

    collections: list[dict[str, Any]]
    """Name, type, options, indexes and documents of each."""
    folder: bytes
    """The data folder, as a tar file."""
    facts: dict[str, Any]

    @classmethod
    def read(cls, version: str) -> Self:
        place = RELEASES / version
        collections = json_util.loads(_unpacked(place / "database.json.gz").decode(), json_options=EXACT)
        facts = json.loads(_unpacked(place / "facts.json.gz"), parse_float=Decimal)
        return cls(collections, _unpacked(place / "data-folder.tar.gz"), facts)

    def write(self, version: str) -> Path:
        place = RELEASES / version
        place.mkdir(parents=True, exist_ok=True)
        dump = json_util.dumps(self.collections, json_options=EXACT, indent=1).encode()
        _pack(place / "database.json.gz", dump)
        _pack(place / "data-folder.tar.gz", self.folder)
        _pack(place / "facts.json.gz", json.dumps(self.facts, indent=1).encode())
        return place

    def restore(self, uri: str, database: str, data_dir: Path) -> None:
        """Make a database and a data folder as the release left them."""
        with pymongo.MongoClient[dict[str, Any]](uri) as client:
            target = client[database]
            for each in self.collections:
                target.create_collection(each["name"], check_exists=False, **each["options"])
                if each["type"] != "view":
                    _restore(target[each["name"]], each)
        with tarfile.open(fileobj=io.BytesIO(self.folder)) as tar:
            tar.extractall(data_dir, filter="data")
        # files of one database are named for it
        for file in data_dir.glob(f"*-{DATABASE}.*"):
            file.rename(file.with_name(file.name.replace(f"-{DATABASE}.", f"-{database}.")))


def _restore(collection: pymongo.collection.Collection[dict[str, Any]], dumped: dict[str, Any]) -> None:
    if dumped["documents"]:
        collection.insert_many(dumped["documents"])
    for index in dumped["indexes"]:
        own = {name: value for name, value in index.items() if name not in ("v", "key", "ns")}
        if own["name"] != "_id_":
            collection.create_index(list(index["key"].items()), **own)


def dumped(uri: str, data_dir: Path, facts: dict[str, Any]) -> Recording:
    """What stands in the database and the data folder. Nothing may be running on them."""
    with pymongo.MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        database = client[DATABASE]
        found = [each for each in database.list_collections() if not each["name"].startswith("system.")]
        collections = [_dumped(database, each) for each in sorted(found, key=lambda each: each["name"])]
    return Recording(collections, _folder(data_dir), facts)


def _dumped(database: pymongo.database.Database[dict[str, Any]], described: Mapping[str, Any]) -> dict[str, Any]:
    own: dict[str, Any] = {name: described[name] for name in ("name", "type", "options")}
    if own["type"] == "view":
        return own
    collection = database[own["name"]]
    indexes = list(collection.list_indexes())
    return {**own, "indexes": indexes, "documents": list(collection.find().sort("_id"))}


def _folder(data_dir: Path) -> bytes:
    """Without what can be made again."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in sorted(data_dir.rglob("*")):
            if path.is_file() and not path.name.startswith("vega-") and not path.name.endswith("-shm"):
                tar.add(path, path.relative_to(data_dir))
    return buffer.getvalue()


def _pack(path: Path, content: bytes) -> None:
    # without a name and a time: recorded again, only what is new differs
    path.write_bytes(gzip.compress(content, mtime=0))


def _unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())
