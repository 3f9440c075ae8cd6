"""Celery: what tasks report until the worker ends. The drill has processes that end after each task."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest
from client.tests.conftest import KEY
from client.tests.stand_in import StandIn
from client.tests.test_life import CALL, CLIENT
from client.tests.test_processes import expect
from tests.patience import patience

TASKS = f"""
import celery, twinmeter
application = celery.Celery("program", broker="filesystem://")
folders = {{"data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"}}
application.conf.broker_transport_options = folders
application.conf.worker_prefetch_multiplier = 1
@application.task
def work():
    {CALL}
"""
WORKER = (
    *(sys.executable, "-m", "celery", "-A", "program", "worker", "--loglevel", "info"),
    *("--pool", "prefork", "--concurrency", "3", "--without-gossip", "--without-mingle", "--without-heartbeat"),
)


def test_what_tasks_of_celery_report_is_sent_when_the_worker_is_told_to_end(server: StandIn, tmp_path: Path) -> None:
    pytest.importorskip("celery")
    (tmp_path / "program.py").write_text(TASKS)
    (tmp_path / "queue").mkdir()
    ours = {"TWINMETER_URL": server.address, "TWINMETER_KEY": KEY, "PYTHONPATH": f"{CLIENT}{os.pathsep}{tmp_path}"}
    environment = {**os.environ, **ours}
    send = "from program import work\nfor _ in range(6): work.delay()"
    subprocess.run([sys.executable, "-c", send], cwd=tmp_path, env=environment, check=True)
    worker = subprocess.Popen(WORKER, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    assert worker.stderr is not None
    lost = Timer(patience(60), worker.kill)
    lost.start()
    try:
        succeeded = 0
        for line in worker.stderr:
            succeeded += " succeeded in " in line
            if succeeded == 6:
                break
        worker.terminate()
        worker.stderr.read()
        assert worker.wait() == 0
    finally:
        worker.kill()
        worker.wait()
        worker.stderr.close()
        lost.cancel()

    expect(server, 6)
