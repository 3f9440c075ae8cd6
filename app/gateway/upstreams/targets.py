"""What `[models.NAME]` stands for: one target after another, of one API."""

from collections.abc import Iterator, Mapping

from app.gateway.upstreams.file import Fault, ModelTable
from app.gateway.upstreams.upstream import Target, Upstream

MOST_TARGETS = 10
"""Of one name, and names on the way to one: a call is attempted no more often."""
Targets = tuple[Target, ...]


class _UnusableError(Exception):
    """Why what a field names is nothing."""


def aliases_of(
    tables: Mapping[str, ModelTable], upstreams: Mapping[str, Upstream]
) -> tuple[dict[str, Targets], list[Fault]]:
    """The targets of each alias, and what is wrong with those that cannot be followed."""
    aliases = _Aliases(tables, upstreams)
    found: dict[str, Targets] = {}
    faults: list[Fault] = []
    for name, table in tables.items():
        found[name] = ()
        for place, named in _fields(name, table):
            try:
                found[name] = _joined(found[name], aliases.of(named, (name,)))
            except _UnusableError as error:
                faults.append(Fault(place, str(error)))
    return found, faults


def _fields(name: str, table: ModelTable) -> Iterator[tuple[tuple[str | int, ...], str]]:
    yield ("models", name, "to"), table.to
    for number, fallback in enumerate(table.fallbacks):
        yield ("models", name, "fallbacks", number), fallback


class _Aliases:
    """Follows names, each of them once."""

    def __init__(self, tables: Mapping[str, ModelTable], upstreams: Mapping[str, Upstream]) -> None:
        self._tables = tables
        self._upstreams = upstreams
        self._found: dict[str, Targets] = {}

    def of(self, named: str, within: tuple[str, ...]) -> Targets:
        """What a field of the alias that is last in `within` names. Raises _UnusableError."""
        if (table := self._tables.get(named)) is None:
            return (self._target(named),)
        if named in within:
            raise _UnusableError(f"goes round in circles: {' → '.join([*within, named])}")
        if len(within) >= MOST_TARGETS:
            raise _UnusableError(f"goes on through more than {MOST_TARGETS} names")
        if named not in self._found:
            targets: Targets = ()
            for each in (table.to, *table.fallbacks):
                targets = _joined(targets, self.of(each, (*within, named)))
            self._found[named] = targets
        return self._found[named]

    def _target(self, named: str) -> Target:
        upstream, slash, model = named.partition("/")
        if not slash or not model:
            raise _UnusableError("must be upstream/model, or another name of [models]")
        if upstream not in self._upstreams:
            raise _UnusableError(f"names an upstream that is not there; there are {', '.join(self._upstreams)}")
        return Target(self._upstreams[upstream], model)


def _joined(targets: Targets, more: Targets) -> Targets:
    """Raises _UnusableError where a request would have to be translated, or attempted too often."""
    first = (*targets, *more)[0].upstream
    for each in more:
        if each.upstream.api is not first.api:
            raise _UnusableError(
                f"leads to {each.upstream.name}, which speaks {each.upstream.api}, and {first.name} before it speaks "
                f"{first.api}: a request is not translated"
            )
    joined = (*targets, *(each for each in more if each not in targets))
    if len(joined) > MOST_TARGETS:
        raise _UnusableError(f"leads to more than {MOST_TARGETS} targets with those before it")
    return joined
