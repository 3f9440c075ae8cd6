"""What schemathesis checks of every answer beside its own checks: it loads this module by SCHEMATHESIS_HOOKS."""

from typing import Any

import schemathesis
from google.protobuf import json_format
from google.rpc.status_pb2 import Status

from app.http.problems import PROBLEM_JSON
from app.otlp.messages import PROTOBUF

OTLP = "/v1/traces"
NO_SUCH_ROUTE = {404, 405}


@schemathesis.check
def errors_are_described(
    _: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """Every error is a problem that says its status and what is wrong; of the OTLP route it is a google.rpc.Status."""
    if response.status_code < 400:
        return
    media_type = response.headers["content-type"][0]
    if case.path == OTLP and response.status_code not in NO_SUCH_ROUTE:
        status = Status.FromString(response.content) if media_type == PROTOBUF else _from_json(response.content)
        assert status.code, response.text
        assert status.message, response.text
    else:
        assert media_type == PROBLEM_JSON, f"{media_type}: {response.text}"
        problem = response.json()
        assert problem["status"] == response.status_code, response.text
        assert problem["detail"], response.text


def _from_json(content: bytes) -> Status:
    status: Status = json_format.Parse(content, Status())
    return status
