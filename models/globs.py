"""Names of models with `*` in them. Brackets mean themselves: some models have them in their names."""


def matches(glob: str, name: str) -> bool:
    """Whether `name` is one of those that `glob` stands for; upper and lower case differ.

    No name, which may be a stranger's, makes it take longer than a walk along it for each part of the glob.
    """
    first, *others = glob.split("*")
    if not others:
        return name == glob
    last = others.pop()
    at, end = len(first), len(name) - len(last)
    if at > end or not name.startswith(first) or not name.endswith(last):
        return False
    for part in others:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def is_name(glob: str) -> bool:
    """Whether it stands for itself alone."""
    return "*" not in glob


def exactness(glob: str) -> int:
    """How much of a name it says: of two that match, the one that says more goes first."""
    return len(glob.replace("*", ""))
