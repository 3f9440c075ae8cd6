"""Documents that stand alone, from older systems too, get their twins."""
