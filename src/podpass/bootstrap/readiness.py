"""Ask the API, as the administrator, whether the cluster is ready.

Uses the standard library's HTTP client: `podpass up` must not spend the start-up's processor time
on imports. Blocking; timeouts are in seconds.
"""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podpass.bootstrap.cluster import SHARED_IP, Cluster
from podpass.bootstrap.home import Home

REQUEST_TIMEOUT = 5.0


class ApiAway(Exception):
    """The API gave no (usable) answer."""


@dataclass(frozen=True, slots=True)
class AdminApi:
    """The API as the administrator sees it."""

    port: int
    context: ssl.SSLContext

    def get(self, path: str, *, host: str = SHARED_IP) -> Any:
        """Return the decoded answer.

        Raises:
            ApiAway: No connection, or not a 200.
        """
        connection = http.client.HTTPSConnection(
            host, self.port, timeout=REQUEST_TIMEOUT, context=self.context
        )
        try:
            connection.request("GET", path, headers={"Accept": "application/json"})
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ApiAway(f"no answer from https://{host}:{self.port}{path}: {error}") from error
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise ApiAway(f"https://{host}:{self.port}{path} answered {response.status}")
        if response.headers.get_content_type() != "application/json":
            return body.decode()
        return json.loads(body)

    def is_ready(self, host: str) -> bool:
        """Tell whether the API server at `host` is ready."""
        try:
            return bool(self.get("/readyz", host=host) == "ok")
        except ApiAway:
            return False

    def nodes(self) -> list[dict[str, Any]]:
        """Return the Node objects.

        Raises:
            ApiAway: The API gave no answer.
        """
        return list(self.get("/api/v1/nodes")["items"])


def admin_api(home: Home, cluster: Cluster) -> AdminApi:
    """Return the API of a prepared home.

    Raises:
        OSError: A certificate is missing.
    """
    return AdminApi(cluster.port, _client_context(home.pki))


def _client_context(pki: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    return context


def ready_nodes(nodes: list[dict[str, Any]], *, since: str = "") -> set[str]:
    """Return the names of the nodes whose condition Ready is True.

    Args:
        nodes: Node objects.
        since: Count only what was reported at this time (`metav1.Time`) or later: what a kubelet
            said before it was stopped says nothing about it now.
    """
    return {
        node["metadata"]["name"]
        for node in nodes
        for condition in node.get("status", {}).get("conditions", [])
        if condition["type"] == "Ready"
        and condition["status"] == "True"
        and condition.get("lastHeartbeatTime", "") >= since
    }
