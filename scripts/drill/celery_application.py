"""Tasks of Celery that report calls by the client, over folders instead of a broker.

python -m scripts.drill.celery_application CALLS sends them.
"""

import sys
from pathlib import Path

import celery

from scripts.drill.application import report

CALLS_OF_A_TASK = 25

application = celery.Celery("drill", broker="filesystem://")
application.conf.broker_transport_options = {
    "data_folder_in": "queue",
    "data_folder_out": "queue",
    "control_folder": "control",
}
application.conf.worker_prefetch_multiplier = 1


@application.task  # type: ignore[untyped-decorator]
def report_calls(first: int, last: int) -> None:
    """Report the calls from `first` to before `last`."""
    report("celery", range(first, last))


if __name__ == "__main__":
    Path("queue").mkdir()
    calls = int(sys.argv[1])
    for first in range(0, calls, CALLS_OF_A_TASK):
        part = first, min(calls, first + CALLS_OF_A_TASK)
        application.send_task("scripts.drill.celery_application.report_calls", part)
