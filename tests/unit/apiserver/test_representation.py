from __future__ import annotations

import pytest

from podpass.api.errors import StatusError
from podpass.apiserver.representation import negotiate

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        pytest.param("", "object", id="no header"),
        pytest.param("*/*", "object", id="anything"),
        pytest.param("application/json", "object", id="JSON"),
        pytest.param(
            f"{TABLE},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", "table",
            id="what kubectl get sends",
        ),
        pytest.param(
            "application/vnd.kubernetes.protobuf,application/json", "object",
            id="protobuf falls to JSON",
        ),
        pytest.param(
            f"application/json;as=Table;v=v9;g=meta.k8s.io,{TABLE}", "table",
            id="an unknown version is passed over",
        ),
        pytest.param(
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", "metadata",
            id="metadata of a list",
        ),
        pytest.param(
            "application/json; as = Table ;v=v1;g=meta.k8s.io, application/json;q=0.5", "object",
            id="a quality is no reason to refuse",
        ),
    ],
)  # fmt: skip
def test_the_first_clause_that_is_served_wins(accept: str, form: str) -> None:
    assert negotiate(accept).form == form


@pytest.mark.parametrize("accept", ["application/vnd.kubernetes.protobuf", "text/html"])
def test_what_is_not_served_is_406(accept: str) -> None:
    with pytest.raises(StatusError) as refused:
        negotiate(accept)
    assert refused.value.code == 406
