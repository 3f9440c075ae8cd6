"""TensorZero's gateway, for the Python of an environment that has the package `tensorzero`:

    VENV/bin/python tensorzero_app.py CONFIG

Prints its address, and serves until it is stopped. Imports nothing of the project.
"""

import signal
import sys
from importlib import import_module
from typing import Any

tensorzero: Any = import_module("tensorzero")
gateway = tensorzero._start_http_gateway(  # noqa: SLF001 - it has no other name
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
)
sys.stdout.write(f"{gateway.base_url}\n")
sys.stdout.flush()
signal.pause()
