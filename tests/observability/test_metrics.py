"""The metrics of one process, and of several workers together."""

import subprocess
import sys
import textwrap
from pathlib import Path

from app.observability.metrics import Counters
from app.observability.shared_metrics import forget

ROOT = Path(__file__).parents[2]


def exposed(text: str) -> dict[str, float]:
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")
    return {name: float(value) for name, value in lines}


def worker(folder: Path, number: int, does: str) -> dict[str, float]:
    """What a worker process of its own exposes once it has done something."""
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        from app.observability.metrics import Counters
        from app.observability.shared_metrics import Worker
        counters = Counters(Worker.joined(int(sys.argv[1]), Path(sys.argv[2])))
    """)
    command = [
        sys.executable,
        "-c",
        f"{program}{does}\nprint(counters.exposition().decode())",
        str(number),
        str(folder),
    ]
    return exposed(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def test_one_process_answers_for_itself() -> None:
    counters = Counters()
    waiting = 3
    counters.watch("twinmeter_queued_calls", "Calls in memory", lambda: waiting, added=True)
    counters.count("track", "committed", 2)
    waiting = 4

    found = exposed(counters.exposition().decode())
    (process,) = counters.processes()

    assert found['twinmeter_calls_total{door="track",status="committed"}'] == 2
    assert found["twinmeter_queued_calls"] == process.figures["twinmeter_queued_calls"] == 4
    assert counters.commits() == (0, 0, 0.0)


def test_any_worker_answers_for_all_and_no_count_falls_when_one_is_replaced(tmp_path: Path) -> None:
    watch = """
counters.watch("queued", "", lambda: {queued}, added=True)
counters.watch("away", "", lambda: {away})
counters.count("track", "committed", {calls})
counters.committed(10, 0.02)
counters.publish()
"""
    worker(tmp_path, 1, watch.format(queued=2, away=0, calls=10))
    both = worker(tmp_path, 2, watch.format(queued=5, away=1, calls=7))
    committed = 'twinmeter_calls_total{door="track",status="committed"}'
    assert (both[committed], both["queued"], both["away"]) == (17, 7, 1)
    assert (both["twinmeter_commit_seconds_count"], both["twinmeter_batch_calls_sum"]) == (2, 20)
    assert both['twinmeter_commit_seconds_bucket{le="0.025"}'] == 2
    assert len([name for name in both if name.startswith("twinmeter_process_start_seconds")]) == 2

    forget(1, tmp_path)
    forget(2, tmp_path)
    alone = worker(tmp_path, 1, watch.format(queued=1, away=0, calls=1))
    assert (alone[committed], alone["queued"], alone["away"]) == (18, 1, 0)

    replaced = worker(tmp_path, 2, watch.format(queued=0, away=0, calls=1))
    assert (replaced[committed], replaced["queued"], replaced["away"]) == (19, 1, 0)
    assert replaced["twinmeter_process_starts_total"] == 4
    assert len(list(tmp_path.iterdir())) == 8


def test_each_worker_is_told_of_apart(tmp_path: Path) -> None:
    queue = 'counters.watch("queued", "", lambda: {}, added=True)\ncounters.publish()'
    tell = "for place, each in enumerate(counters.processes(), 1): print(f'of_{place}', each.figures['queued'])"
    worker(tmp_path, 1, queue.format(2))

    found = worker(tmp_path, 2, f"{queue.format(5)}\n{tell}")

    assert (found["of_1"], found["of_2"], found["queued"]) == (2, 5, 7)


def test_what_is_wrong_in_one_worker_is_known_to_the_other_until_it_is_gone(tmp_path: Path) -> None:
    wrong = """
import contextlib
from app.observability.troubles import Code, Troubles
troubles = Troubles(counters.registry)
with contextlib.redirect_stdout(sys.stderr):  # the log
    troubles.report(Code.DELIVERY, "a reason")
    troubles.report(Code.REFUSED, "a reason")
    troubles.gone(Code.REFUSED)
"""
    look = "for code in counters.in_trouble(): print(code, 1)"
    worker(tmp_path, 1, wrong)

    assert {"delivery", "refused"} & worker(tmp_path, 2, look).keys() == {"delivery"}

    forget(1, tmp_path)
    assert "delivery" not in worker(tmp_path, 2, look)
