"""A client: whatever an application reports, by whatever way, ends in `Client.track`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from twinmeter.calls import Call, Ids, kept
from twinmeter.clock import Clock
from twinmeter.configuration import Configuration, OnRejected, configured, what_to_set
from twinmeter.context import current_fields, held, with_reservation
from twinmeter.estimate import AT_MOST, estimated
from twinmeter.life import forget, watch_over
from twinmeter.notices import Notices
from twinmeter.outcomes import Outcomes
from twinmeter.queue import Queue
from twinmeter.receipts import Counts, Flushed, Receipt, dropped, queued
from twinmeter.report import WAIT_SECONDS, Report
from twinmeter.sender import Sender

if TYPE_CHECKING:
    from twinmeter.asking import Asker
    from twinmeter.decisions import Away

FLUSH_SECONDS = 5.0


class Client:
    """Reports calls to one server with one key. Only making one can raise; nothing it does later can.

    Most applications need none of their own: `twinmeter.track` and its siblings use one for the whole process.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        spool: str | None = None,
        on_rejected: OnRejected | None = None,
        limits_when_away: str | None = None,
        limits_timeout: float | None = None,
    ) -> None:
        """What is not given comes from the environment: TWINMETER_URL, TWINMETER_KEY and so on.

        `on_rejected` is handed each row that the server refuses, and its receipt. Raises ValueError and TypeError.
        """
        # here and not in the sender's thread: a fork that falls into the import of logging breaks logging's locks
        import logging  # noqa: F401, PLC0415

        self._configuration = configured(
            url=url,
            key=key,
            spool=spool,
            on_rejected=on_rejected,
            limits_when_away=limits_when_away,
            limits_timeout=limits_timeout,
        )
        self._notices = Notices()
        self._clock = Clock()
        self._is_closed = False
        self.problem = ""
        """What is wrong with the environment, for the client that stands for a missing one."""
        self._begin()
        watch_over(self)

    @property
    def configuration(self) -> Configuration:
        return self._configuration

    def begin(self) -> None:
        """Begin empty, in a process that has just been forked: what waits is the parent's."""
        self._sender.abandon()
        self._begin()

    def _begin(self) -> None:
        self._ids = Ids()
        self._askers: dict[str, Asker] = {}
        self._queue = Queue()
        self._outcomes = Outcomes(self._notices, self._configuration.on_rejected)
        self._sender = Sender(self._configuration, self._queue, self._outcomes, self._clock, self._notices)

    @property
    def asker(self) -> Asker | Away:
        """Who asks the server about limits, made when it is needed first; or why nobody can."""
        from twinmeter.asking import Asker  # noqa: PLC0415 - most applications ask nothing
        from twinmeter.decisions import Away  # noqa: PLC0415

        if self._is_closed or self._configuration.missing:
            return Away(self._why_not())
        # atomic: where two threads get here at once, both go on with the same
        return self._askers.get(_CURRENT) or self._askers.setdefault(
            _CURRENT, Asker(self._configuration, self._clock, self._notices)
        )

    def track(self, fields: dict[str, Any], *, wait: bool = False, timeout: float = WAIT_SECONDS) -> Receipt | None:
        """Report one call. `fields` are those of `twinmeter.track`; what they lack comes from `twinmeter.context`.

        With `wait`, the server's receipt, after `timeout` seconds at the latest; without, nothing waits, and None is
        returned. Never raises.
        """
        try:
            if not wait:
                self._report(fields, None)
                return None
            return self.report(fields).wait(timeout)
        except Exception as error:
            receipt = self._failed(error)
            return receipt if wait else None

    def report(self, fields: dict[str, Any], *, wait: bool = True) -> Report:
        """Report one call, and have its receipt later. With `wait` it is sent at once. Never raises."""
        try:
            report = Report() if wait else Report(queued())
            if (reason := self._report(fields, report)) is not None:
                return Report(dropped(reason))
            if wait and self._sender.is_pausing:
                report.told(queued(self._sender.trouble))
            elif wait and self._sender.is_here:
                report.told(queued("it is sent when this function has ended"))
            elif wait:
                self._queue.hurry()
        except Exception as error:
            return Report(self._failed(error))
        return report

    def flush(self, timeout: float = FLUSH_SECONDS) -> Flushed:
        """Send what was reported until now, for so many seconds at most. Never raises.

        A pause that the server has asked for is kept. Where the next attempt is due only later, this returns before.
        """
        try:
            if not self._configuration.missing and not self._is_closed:
                self._run_errands(timeout)
                self._sender.settle(self._ids.next_number(), timeout)
        except Exception as error:
            self._notices.once("flush", "a flush has failed", error=error)
        counts = self.counts()
        return Flushed(counts.delivered, counts.rejected, counts.waiting)

    def close(self, timeout: float = FLUSH_SECONDS) -> Flushed:
        """Send what was reported, for so many seconds at most; what is left is kept in the spool, or lost and counted.

        What is reported later is lost. Never raises.
        """
        try:
            if not self._is_closed:
                self._is_closed = True
                self._run_errands(timeout)
                self._sender.close(self._ids.next_number(), timeout)
                forget(self)
        except Exception as error:
            self._notices.once("close", "a close has failed", error=error)
        return self.flush(0)

    def retire(self) -> None:
        """Another client takes its place: what was reported is sent, and then its thread ends. Never raises."""
        self._sender.retire()

    def say(self, kind: str, message: str) -> None:
        """Log something once. Never raises."""
        self._notices.once(kind, message)

    def lose(self, kind: str, message: str) -> None:
        """Count a call that never came here, by a fault of ours, and log it once. Never raises."""
        self._outcomes.lost.add()
        self._notices.once(kind, message)

    def counts(self) -> Counts:
        """What became of the calls of this process so far."""
        outcomes = self._outcomes
        waiting = len(self._queue) + self._sender.spooled
        return Counts(outcomes.delivered, outcomes.rejected, waiting, outcomes.lost.value, outcomes.mended)

    def _run_errands(self, timeout: float) -> None:
        for asker in tuple(self._askers.values()):
            asker.settle(min(timeout, self._configuration.limits_timeout))

    def _report(self, fields: dict[str, Any], report: Report | None) -> str | None:
        """Queue one call. Why it is lost, where it is."""
        around = current_fields()
        if around:
            fields = {**around, **{name: value for name, value in fields.items() if not is_missing(value)}}
        if held.get() is not None:
            fields = with_reservation(fields)
        if AT_MOST in fields:
            fields = estimated(fields)
        if self._is_closed or self._configuration.missing:
            return self._lost()
        copy, mended = kept(fields)
        number = self._ids.next_number()
        call = Call(number, copy.get("request_id") or self._ids.of(number), time.time(), copy, report)
        call.mended = mended
        if not self._queue.put(call):
            self._outcomes.lost.add()
            return f"{self._queue.too_many} wait already"
        if not self._sender.is_running:
            self._sender.start()
        return None

    def _lost(self) -> str:
        self._outcomes.lost.add()
        reason = self._why_not()
        if self._is_closed:
            self._notices.once("closed", "a call is lost, as are those that follow: the client was closed before")
        else:
            self._notices.once("unconfigured", f"calls are not sent: {reason}")
        return reason

    def _why_not(self) -> str:
        return "the client was closed" if self._is_closed else self.problem or what_to_set(self._configuration)

    def _failed(self, error: Exception) -> Receipt:
        try:
            self._outcomes.lost.add()
            self._notices.once("failed", "a call is lost by a fault of the client", error=error)
        except Exception:  # noqa: S110 - an interpreter that ends has neither
            pass
        return dropped(f"internal error: {type(error).__name__}")


def is_missing(value: Any) -> bool:
    """Whether a field says nothing: nobody has an empty name."""
    return value is None or (type(value) is str and not value)


_clients: dict[str, Client] = {}
"""The client of this process, by `current`."""
_CURRENT, _UNCONFIGURED = "current", "unconfigured"


def current() -> Client:
    """The client of this process, which is made when it is needed first. Never raises.

    As long as the environment lacks what it needs, it is looked at again with each call.
    """
    return _clients.get(_CURRENT) or _made()


def configure(
    *,
    url: str | None = None,
    key: str | None = None,
    spool: str | None = None,
    on_rejected: OnRejected | None = None,
    limits_when_away: str | None = None,
    limits_timeout: float | None = None,
) -> Client:
    """Set in code what the environment does not, and return the client of this process, which is a new one.

    What was reported before is still sent to where it was meant for. Raises ValueError and TypeError.
    """
    client = Client(
        url,
        key,
        spool=spool,
        on_rejected=on_rejected,
        limits_when_away=limits_when_away,
        limits_timeout=limits_timeout,
    )
    former = _clients.get(_CURRENT)
    _clients[_CURRENT] = client
    if former is not None:
        former.retire()
    return client


def _made() -> Client:
    try:
        configuration = configured()
        if not configuration.missing:
            # atomic: where two threads get here at once, both go on with the same client
            return _clients.setdefault(_CURRENT, Client())
        problem = what_to_set(configuration)
    except (ValueError, TypeError) as error:
        problem = str(error)
    client = _clients.setdefault(_UNCONFIGURED, Client("", "", spool=""))
    client.problem = problem
    return client
