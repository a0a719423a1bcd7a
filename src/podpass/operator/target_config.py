"""What the API servers should be started with: the ConfigMaps `config` and `kube-apiserver-pod`.

1. Later parts win: what is shipped, what was observed, what an administrator forces
   (`unsupportedConfigOverrides`). Objects are merged, lists replaced.
2. `config.yaml` is JSON, with sorted keys, so that the same configuration is the same text.
3. Only the state `Managed` renders; every other one, also `Force`, leaves what is there.
4. With an external signer there are no key files of service accounts: neither would count.

Source: openshift/cluster-kube-apiserver-operator, `targetconfigcontroller` and
`bindata/assets/config`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

import podpass
from podpass.api.resources import Object
from podpass.operator import names
from podpass.operator.settings import ControlPlane, OperatorSettings, Timing
from podpass.operator.static_pod_template import (
    AUDIT,
    AUDIT_POLICY,
    CERTS,
    ETCD,
    RESOURCES,
    RUN,
    STORE,
    render_manifest,
    signing_endpoint,
    static_pod,
)

_SECRETS: Final = f"{CERTS}/secrets"


class ConfigMissing(Exception):
    """There is nothing observed to render yet."""


def shipped_config(plane: ControlPlane, timing: Timing) -> Object:
    """Return the configuration that podpass comes with."""
    delay = round(timing.shutdown_delay.total_seconds() * 1000)
    arguments = {
        "advertise-address": "NODE_IP",
        "client-ca-file": f"{CERTS}/configmaps/{names.CLIENT_CA}/ca-bundle.crt",
        "kubelet-certificate-authority": (
            f"{RESOURCES}/configmaps/{names.KUBELET_SERVING_CA}/ca-bundle.crt"
        ),
        "kubelet-client-certificate": f"{_SECRETS}/{names.KUBELET_CLIENT}/tls.crt",
        "kubelet-client-key": f"{_SECRETS}/{names.KUBELET_CLIENT}/tls.key",
        "secure-port": str(plane.port),
        "service-account-min-token-expiration": f"{plane.min_token_expiration_seconds}s",
        "shutdown-delay-duration": f"{delay}ms",
        "tls-cert-file": f"{_SECRETS}/{names.SERVING_CERT}/tls.crt",
        "tls-private-key-file": f"{_SECRETS}/{names.SERVING_CERT}/tls.key",
        "unix-socket": f"{RUN}/apiserver-NODE_NAME.sock",
        "service-account-issuer": names.DEFAULT_ISSUER,
        "api-audiences": names.DEFAULT_ISSUER,
    }
    if not plane.etcd_servers:
        arguments["storage"] = f"sqlite://{STORE}/podpass.db"
    else:
        arguments |= _etcd_arguments(plane)
    if plane.audit_directory:
        arguments["audit-policy-file"] = f"{AUDIT}/{AUDIT_POLICY}"
        arguments["audit-log-path"] = f"{RUN}/audit-NODE_NAME.log"
    key_files: list[str] = []
    if plane.signing_endpoint:  # 4
        arguments["service-account-signing-endpoint"] = signing_endpoint(plane)
    else:
        arguments["service-account-signing-key-file"] = (
            f"{_SECRETS}/{names.SIGNING_KEY}/{names.PRIVATE_KEY}"
        )
        key_files = [
            f"{RESOURCES}/configmaps/{names.LEGACY_SIGNING_CERTS}",
            f"{RESOURCES}/configmaps/{names.SIGNING_CERTS}",
        ]
    lists = {name: [value] for name, value in arguments.items()}
    lists["bind-address"] = list(dict.fromkeys([plane.shared_ip, "NODE_IP"]))
    return {
        "apiVersion": "kubecontrolplane.config.openshift.io/v1",
        "kind": "KubeAPIServerConfig",
        "apiServerArguments": lists,
        "serviceAccountPublicKeyFiles": key_files,
    }


def _etcd_arguments(plane: ControlPlane) -> dict[str, str]:
    arguments = {"etcd-servers": plane.etcd_servers, "etcd-prefix": plane.etcd_prefix}
    if plane.etcd_directory:
        arguments |= {
            "etcd-cafile": f"{ETCD}/{names.ETCD_CA}",
            "etcd-certfile": f"{ETCD}/{names.ETCD_CERT}",
            "etcd-keyfile": f"{ETCD}/{names.ETCD_KEY}",
        }
    return arguments


def merge(base: Any, over: Any) -> Any:
    """Return `over` on top of `base` (rule 1)."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    return {
        key: merge(base[key], over[key]) if key in base and key in over else {**base, **over}[key]
        for key in {**base, **over}
    }


def render_config(spec: Object, plane: ControlPlane, timing: Timing) -> str:
    """Return the text of `config.yaml`.

    Args:
        spec: Of the KubeAPIServer.
        plane: Where things are.
        timing: For the shutdown.

    Raises:
        ConfigMissing: There is no observed configuration.
    """
    observed = spec.get("observedConfig")
    if not observed:
        raise ConfigMissing("no observedConfig")
    config = merge(shipped_config(plane, timing), observed)
    config = merge(config, spec.get("unsupportedConfigOverrides") or {})
    return orjson.dumps(config, option=orjson.OPT_SORT_KEYS).decode()


def render_config_maps(spec: Object, settings: OperatorSettings) -> Mapping[str, dict[str, str]]:
    """Return the data of the rendered ConfigMaps by name.

    Raises:
        ConfigMissing: There is no observed configuration.
    """
    plane, timing = settings.control_plane, settings.timing
    pod = static_pod(plane, timing, log_level=str(spec.get("logLevel") or ""))
    return {
        names.CONFIG_MAP: {names.CONFIG_KEY: render_config(spec, plane, timing)},
        names.POD_CONFIG_MAP: {
            names.POD_KEY: render_manifest(pod),
            "forceRedeploymentReason": str(spec.get("forceRedeploymentReason") or ""),
            "version": podpass.__version__,
        },
    }


def override_paths(overrides: Any, prefix: str = "") -> list[str]:
    """Return the dotted paths of the leaves of `unsupportedConfigOverrides`, sorted."""
    if not isinstance(overrides, dict) or (prefix and not overrides):
        return [prefix]
    found = []
    for key in sorted(overrides):
        found += override_paths(overrides[key], f"{prefix}.{key}" if prefix else key)
    return found
