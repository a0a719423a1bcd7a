"""Errors on the wire: one shape, the codes and reasons of Kubernetes."""

import pytest

from podpass.api import errors
from podpass.api.errors import StatusError
from podpass.api.field_errors import invalid, required


@pytest.mark.parametrize(
    ("error", "code", "reason", "message"),
    [
        pytest.param(errors.bad_request("m"), 400, "BadRequest", "m", id="bad request"),
        pytest.param(errors.unauthorized(), 401, "Unauthorized", "Unauthorized", id="who"),
        pytest.param(
            errors.forbidden("pods", "p", "no"), 403, "Forbidden", 'pods "p" is forbidden: no',
            id="forbidden",
        ),
        pytest.param(
            errors.forbidden("roles", "", "no", "x.io"), 403, "Forbidden",
            "roles.x.io is forbidden: no", id="forbidden without a name",
        ),
        pytest.param(
            errors.not_found("pods", "p"), 404, "NotFound", 'pods "p" not found', id="not found"
        ),
        pytest.param(
            errors.no_such_path(), 404, "NotFound",
            "the server could not find the requested resource", id="no path",
        ),
        pytest.param(
            errors.method_not_allowed("pods", "put"), 405, "MethodNotAllowed",
            'put is not supported on resources of kind "pods"', id="method",
        ),
        pytest.param(
            errors.not_acceptable(["a", "b"]), 406, "NotAcceptable",
            "only the following media types are accepted: a, b", id="not acceptable",
        ),
        pytest.param(
            errors.already_exists("roles", "r", "x.io"), 409, "AlreadyExists",
            'roles.x.io "r" already exists', id="exists",
        ),
        pytest.param(
            errors.conflict("pods", "p"), 409, "Conflict",
            'Operation cannot be fulfilled on pods "p": the object has been modified; please '
            "apply your changes to the latest version and try again", id="conflict",
        ),
        pytest.param(errors.expired("m"), 410, "Expired", "m", id="expired"),
        pytest.param(errors.too_large("m"), 413, "RequestEntityTooLarge", "m", id="too large"),
        pytest.param(
            errors.unsupported_media_type("x/y", ["a"]), 415, "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: a "
            "(got x/y)", id="media type",
        ),
        pytest.param(
            errors.unsupported_media_type("", ["a"]), 415, "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: a",
            id="no media type",
        ),
        pytest.param(errors.too_many_requests("m"), 429, "TooManyRequests", "m", id="too many"),
        pytest.param(
            errors.internal("m"), 500, "InternalError", "Internal error occurred: m", id="internal"
        ),
        pytest.param(
            errors.service_unavailable("m"), 503, "ServiceUnavailable", "m", id="unavailable"
        ),
        pytest.param(errors.timeout("m"), 504, "Timeout", "m", id="timeout"),
        pytest.param(
            errors.resource_version_too_large(9, 7), 504, "Timeout",
            "Timeout: Too large resource version: 9, current: 7", id="too new",
        ),
    ],
)  # fmt: skip
def test_shape(error: StatusError, code: int, reason: str, message: str) -> None:
    status = error.to_status()
    assert (status["code"], status["reason"], status["message"]) == (code, reason, message)
    assert (status["kind"], status["apiVersion"], status["status"]) == ("Status", "v1", "Failure")
    again = StatusError.from_status(status)
    assert again.to_status() == {**status, "metadata": {}}
    assert str(again) == message


def test_details_name_the_object() -> None:
    assert errors.not_found("roles", "r", "x.io").to_status()["details"] == {
        "name": "r", "group": "x.io", "kind": "roles",
    }  # fmt: skip
    assert errors.method_not_allowed("pods", "put").details == {"kind": "pods"}
    assert errors.forbidden("", "x", "no").details == {"name": "x"}
    assert "details" not in errors.unauthorized().to_status()


def test_a_status_without_a_reason_or_anything_else() -> None:
    assert "reason" not in StatusError(418, "", "m").to_status()
    bare = StatusError.from_status({}, code=502)
    assert (bare.code, bare.reason, bare.message) == (502, "", "the server gave no message")


def test_an_expired_list_says_where_to_go_on() -> None:
    assert errors.expired("m", "token").to_status()["metadata"] == {"continue": "token"}


def test_invalid_names_each_field() -> None:
    found = [invalid("spec.x", 1, "too small"), required("spec.y")]
    error = errors.invalid("Pod", "p", found)
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.message == (
        'Pod "p" is invalid: [spec.x: Invalid value: 1: too small, spec.y: Required value]'
    )
    assert error.details is not None
    assert error.details["causes"] == [
        {
            "reason": "FieldValueInvalid",
            "message": "Invalid value: 1: too small",
            "field": "spec.x",
        },
        {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.y"},
    ]
