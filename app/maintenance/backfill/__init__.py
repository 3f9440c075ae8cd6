"""Documents without a twin, including those of older systems, get theirs."""
