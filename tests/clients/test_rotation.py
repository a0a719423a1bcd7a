"""In a pod, no client sees a failed request while the kubelet rotates its token."""

from __future__ import annotations

import pytest

from tests.clients.installed import OLD_KUBECTL
from tests.clients.rotating_pods import AFTER_REFUSAL, CLIENTS, RotatingPods


@pytest.mark.timeout(1200)
@pytest.mark.tried("in a pod, past the end of its first token")
@pytest.mark.parametrize(
    "client",
    [
        pytest.param(one, marks=pytest.mark.client(OLD_KUBECTL if one == "kubectl" else one))
        for one in CLIENTS
    ],
)
def test_a_client_in_a_pod_goes_on_past_its_first_tokens_end(
    client: str, rotating_pods: RotatingPods
) -> None:
    said = rotating_pods.outcome(client)
    assert said["client"] == client
    assert said["failures"] == []
    assert said["tokens"] >= (1 if client in AFTER_REFUSAL and not rotating_pods.life else 2)
    assert said["requests"] > 10
