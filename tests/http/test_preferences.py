"""How long a request says that its sender waits."""

import pytest

from app.http.preferences import preferred_wait


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, None),
        ("wait=3", 3),
        ("respond-async, wait=10", 10),
        ("respond-async,WAIT = 10; foo=1", 10),
        ('wait="7", wait=8', 7),
        ("wait=0", 0),
        ("wait", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("await=4", None),
        ("wait=99999999", None),
        ("handling=lenient; wait=4", None),
    ],
)
def test_the_wait_of_a_preference_is_read(prefer: str | None, seconds: int | None) -> None:
    assert preferred_wait(prefer) == seconds
