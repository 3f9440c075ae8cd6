"""Benchmarks: `python -m scripts.bench NAME`. They report ratios within one run, because machines differ."""
