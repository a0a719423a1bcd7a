import base64

import orjson
import pytest

from podpass.api.errors import StatusError
from podpass.storage.continue_token import INCONSISTENT, decode_continue, encode_continue


def forge(document: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(document)).decode()


@pytest.mark.parametrize("revision", [1, 2**40, INCONSISTENT])
@pytest.mark.parametrize("start", ["ns/a", "a", "ä/ö?&="])
def test_token_is_read_back_and_fits_into_a_url(revision: int, start: str) -> None:
    token = encode_continue(revision, start)
    assert decode_continue(token) == (revision, start)
    assert token.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    ("token", "message"),
    [
        pytest.param("%%%", "cannot be decoded", id="no base64"),
        pytest.param("a", "cannot be decoded", id="cut off"),
        pytest.param("ä", "cannot be decoded", id="not even ASCII"),
        pytest.param(forge([1]), "cannot be decoded", id="a list"),
        pytest.param(forge({"v": "podpass/v1"}), "cannot be decoded", id="parts missing"),
        pytest.param(
            forge({"v": "other", "rv": 1, "start": "a"}),
            'does not recognize this encoded version "other"',
            id="another version",
        ),
        *(
            pytest.param(
                forge({"v": "podpass/v1", "rv": revision, "start": "a"}),
                "incorrect encoded resourceVersion",
                id=f"revision {revision}",
            )
            for revision in (0, -2, "1", 1.5, True)
        ),
        pytest.param(
            forge({"v": "podpass/v1", "rv": 1, "start": ""}), "names no start", id="empty start"
        ),
        pytest.param(
            forge({"v": "podpass/v1", "rv": 1, "start": 5}), "names no start", id="start no text"
        ),
    ],
)
def test_what_is_no_token_is_a_bad_request(token: str, message: str) -> None:
    with pytest.raises(StatusError, match=message) as refused:
        decode_continue(token)
    assert (refused.value.code, refused.value.reason) == (400, "BadRequest")
