"""Where a client finds its server and credentials."""

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest

from podpass.client.config import ConfigError, in_cluster_config, load_kubeconfig


def kubeconfig(**changes: Any) -> dict[str, Any]:
    return {
        "current-context": "main",
        "contexts": [
            {"name": "main", "context": {"cluster": "c", "user": "u", "namespace": "team"}},
            {"name": "bare", "context": {"cluster": "c"}},
        ],
        "clusters": [
            {"name": "c", "cluster": {"server": "https://h:1/", "certificate-authority": "ca.crt"}}
        ],
        "users": [
            {"name": "u", "user": {"client-certificate": "/pki/a.crt", "client-key": "a.key"}}
        ],
    } | changes


def write(directory: Path, document: object) -> Path:
    path = directory / "kubeconfig"
    path.write_bytes(orjson.dumps(document))
    return path


def test_files_are_taken_from_the_directory_of_the_kubeconfig(tmp_path: Path) -> None:
    config = load_kubeconfig(write(tmp_path, kubeconfig()))
    assert config.server == "https://h:1"
    assert config.namespace == "team"
    assert config.ca_file == tmp_path / "ca.crt"
    assert config.client_certificate_file == Path("/pki/a.crt")
    assert config.client_key_file == tmp_path / "a.key"
    assert config.verify
    assert config.token is None


def test_a_context_without_user_or_namespace_is_anonymous_in_default(tmp_path: Path) -> None:
    config = load_kubeconfig(write(tmp_path, kubeconfig()), context="bare")
    assert config.client_certificate_file is None
    assert config.namespace == "default"


def test_inline_data_is_decoded_and_secrets_do_not_show(tmp_path: Path) -> None:
    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    document = kubeconfig(
        clusters=[
            {
                "name": "c",
                "cluster": {
                    "server": "https://h:1",
                    "certificate-authority-data": encoded("CA"),
                    "tls-server-name": "kubernetes",
                    "insecure-skip-tls-verify": True,
                },
            }
        ],
        users=[
            {
                "name": "u",
                "user": {
                    "client-certificate-data": encoded("CERT"),
                    "client-key-data": encoded("KEY"),
                    "token": "hidden",
                },
            }
        ],
    )
    config = load_kubeconfig(write(tmp_path, document))
    assert (config.ca_data, config.client_certificate_data) == (b"CA", b"CERT")
    assert config.client_key_data is not None
    assert config.client_key_data.reveal() == "KEY"
    assert config.token is not None
    assert config.token.reveal() == "hidden"
    assert config.tls_server_name == "kubernetes"
    assert not config.verify
    assert "hidden" not in repr(config)
    assert "KEY" not in repr(config)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "empty or not a mapping", id="empty file"),
        pytest.param(b"{", "not valid YAML", id="no YAML"),
        pytest.param(b"[]", "empty or not a mapping", id="a list"),
        pytest.param(b"{}", "no current-context", id="no current context"),
        pytest.param(
            orjson.dumps(kubeconfig(**{"current-context": "other"})),
            "contexts has no 'other'",
            id="unknown context",
        ),
        pytest.param(
            orjson.dumps(kubeconfig(clusters=[])), "clusters has no 'c'", id="unknown cluster"
        ),
        pytest.param(orjson.dumps(kubeconfig(users=None)), "users has no 'u'", id="unknown user"),
        pytest.param(
            orjson.dumps(kubeconfig(clusters=[{"name": "c", "cluster": {}}])),
            "has no server",
            id="cluster without server",
        ),
        pytest.param(
            orjson.dumps(
                kubeconfig(users=[{"name": "u", "user": {"client-certificate-data": "?"}}])
            ),
            "client-certificate-data is not base64",
            id="data that is not base64",
        ),
    ],
)
def test_an_unusable_kubeconfig_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        load_kubeconfig(path)
    assert str(path) in str(caught.value)


def test_a_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read kubeconfig .*: No such file"):
        load_kubeconfig(tmp_path / "none")


POD = {"KUBERNETES_SERVICE_HOST": "172.30.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def test_a_pod_finds_everything_in_itself(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "namespace").write_text("team\n")
    config = in_cluster_config(POD, tmp_path)
    assert config.server == "https://172.30.0.1:443"
    assert config.token_file == tmp_path / "token"
    assert config.ca_file == tmp_path / "ca.crt"
    assert config.namespace == "team"


def test_a_pod_on_ipv6_gets_a_bracketed_address(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    config = in_cluster_config(POD | {"KUBERNETES_SERVICE_HOST": "fd00::1"}, tmp_path)
    assert config.server == "https://[fd00::1]:443"
    assert config.namespace == "default"


@pytest.mark.parametrize("missing", POD)
def test_outside_a_pod_there_is_no_configuration(tmp_path: Path, missing: str) -> None:
    environ = {name: value for name, value in POD.items() if name != missing}
    with pytest.raises(ConfigError, match="not inside a pod"):
        in_cluster_config(environ, tmp_path)


def test_a_pod_without_mounted_token_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no service account token"):
        in_cluster_config(POD, tmp_path)
