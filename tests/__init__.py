"""A package, for folders below it are; see there."""
