"""Which alert a crossing is, and which one of several is told."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from app.alerts.wording import body_of, kind_of, limit_lines, limit_sentence
from models.alerts import MAX_LINE, MAX_TEXT, Alert, AlertKind, Crossing, alert_id


class Group(NamedTuple):
    """Alerts of one limit, subject and period: together they are one message."""

    limit: str
    generation: int
    subject: str
    period_start: datetime


def group_of(alert: Alert) -> Group | None:
    """None where it is not of a limit."""
    if alert.limit is None or alert.generation is None or alert.subject is None or alert.period_start is None:
        return None
    return Group(alert.limit, alert.generation, alert.subject, alert.period_start)


def limit_alert(crossing: Crossing, at: datetime) -> Alert:
    """The alert of a crossing. Its id is the same whoever sees the crossing, and whenever."""
    limit, subject, threshold = crossing.limit, crossing.subject, crossing.threshold
    used, allowance = crossing.used, crossing.allowance
    start, end = crossing.period_start, crossing.period_end
    kind = kind_of(limit.kind, threshold)
    id_ = alert_id("limit", limit.id, limit.generation, subject, start.isoformat(), threshold)
    text = limit_sentence(crossing)
    data = {
        "id": id_,
        "text": text,
        "limit": {
            "id": limit.id,
            "name": limit.name,
            "unit": limit.unit.value,
            "window": limit.window.value,
            "kind": limit.kind.value,
            "generation": limit.generation,
            "filter": limit.filter.model_dump(by_alias=True, exclude_none=True, mode="json"),
        },
        "subject": subject,
        "userId": crossing.user_id,
        "clientId": crossing.client_id,
        "period": {"start": start, "end": end},
        "threshold": threshold,
        "used": used,
        "allowance": allowance,
    }
    return Alert(
        id=id_,
        kind=kind,
        at=at,
        text=text,
        lines=limit_lines(crossing),
        body=body_of(kind, at, data),
        client_id=crossing.client_id,
        user_id=crossing.user_id,
        limit=limit.id,
        generation=limit.generation,
        subject=subject,
        period_start=start,
        period_end=end,
        threshold=threshold,
        used=used,
        allowance=allowance,
    )


def other_alert(kind: AlertKind, key: str, payload: Mapping[str, Any], at: datetime) -> Alert:
    """An alert that is not of a limit. `payload` has its `text`, and may have `lines`, `clientId` and `userId`; all is
    in the body.
    """
    id_ = alert_id(kind.value, key)
    return Alert(
        id=id_,
        kind=kind,
        at=at,
        text=payload["text"][:MAX_TEXT],
        lines=tuple(line[:MAX_LINE] for line in payload.get("lines", ())),
        body=body_of(kind, at, {"id": id_, **payload}),
        client_id=payload.get("clientId"),
        user_id=payload.get("userId"),
    )


def settled(
    fresh: Sequence[Alert], highest: Mapping[Group, tuple[int, str]], silent: Collection[str]
) -> tuple[list[Alert], list[Alert]]:
    """Alerts as they are recorded, and those of them that are told.

    `highest` has the highest threshold of each group that is recorded already, and its alert; `silent` are the ids of
    those whose user wants no messages. Of a group the highest threshold alone is told, and none where a higher one was.
    """
    leaders = dict(highest)
    for alert in fresh:
        group = group_of(alert)
        if group is not None and alert.threshold is not None and alert.threshold > leaders.get(group, (0, ""))[0]:
            leaders[group] = (alert.threshold, alert.id)
    recorded = [_settled(alert, leaders, silenced=alert.id in silent) for alert in fresh]
    return recorded, [alert for alert in recorded if not alert.silenced and alert.told_by is None]


def _settled(alert: Alert, leaders: Mapping[Group, tuple[int, str]], *, silenced: bool) -> Alert:
    group = group_of(alert)
    leader = alert.id if group is None else leaders[group][1]
    return alert.model_copy(update={"silenced": silenced, "told_by": None if leader == alert.id else leader})
