"""What the API server can be told; a field is a flag of kube-apiserver unless it says so.

Durations are `timedelta` here and Go durations (`10m`, `1h30m`) on the command line.
"""

# ruff: noqa: RUF009 - `setting` is `dataclasses.field` with the words that every field needs

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from podpass.storage.location import DEFAULT_ETCD_PREFIX, EtcdLocation

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def parse_duration(text: str) -> timedelta:
    """Read a Go duration such as `10m` or `1h30m`; a bare `0` is allowed.

    Raises:
        ValueError: The text is not a duration.
    """
    if text == "0":
        return timedelta(0)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration; write it as 10m, 1h30m or 90s")
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


def setting(default: Any, flag: str, reason: str, *, unit: str = "") -> Any:
    """Declare a field with its flag, its unit and why the default is what it is."""
    metadata = {"flag": flag, "reason": reason, "unit": unit}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServerSettings:
    """Settings of one API server process."""

    bind_addresses: tuple[str, ...] = setting(
        ("127.0.0.1",), "--bind-address", "reachable from this machine only unless asked for more"
    )
    secure_port: int = setting(
        6443, "--secure-port", "the port that every kubeconfig expects", unit="TCP port"
    )
    advertise_address: str = setting(
        "", "--advertise-address", "empty: the first bind address", unit="IP address"
    )
    unix_socket: Path | None = setting(
        None, "--unix-socket", "podpass's own: pods with their own network come in through it"
    )
    tls_certificate_file: Path = setting(
        Path("apiserver.crt"), "--tls-cert-file", "no default upstream uses fits a home directory"
    )
    tls_private_key_file: Path = setting(
        Path("apiserver.key"), "--tls-private-key-file", "stands beside the certificate"
    )
    client_ca_file: Path | None = setting(
        None, "--client-ca-file", "without it no client certificate is accepted"
    )
    kubelet_client_certificate: Path | None = setting(
        None, "--kubelet-client-certificate", "without it logs and exec are refused by kubelets"
    )
    kubelet_client_key: Path | None = setting(
        None, "--kubelet-client-key", "goes with the certificate"
    )
    kubelet_certificate_authority: Path | None = setting(
        None, "--kubelet-certificate-authority", "without it no kubelet is trusted"
    )
    service_account_issuers: tuple[str, ...] = setting(
        (), "--service-account-issuer", "must be given; the first signs, all are accepted"
    )
    service_account_signing_key_file: Path | None = setting(
        None, "--service-account-signing-key-file", "None: sa.key, beside the certificate"
    )
    service_account_key_files: tuple[Path, ...] = setting(
        (), "--service-account-key-file", "empty: the public half of the signing key"
    )
    service_account_signing_endpoint: str = setting(
        "",
        "--service-account-signing-endpoint",
        "empty: tokens are signed with the key file; a path, or @name, of a unix socket otherwise",
    )
    api_audiences: tuple[str, ...] = setting(
        (), "--api-audiences", "empty: the issuers, as upstream has it"
    )
    service_account_max_token_expiration: timedelta | None = setting(
        None, "--service-account-max-token-expiration", "None: what is asked for is given"
    )
    service_account_min_token_expiration: timedelta = setting(
        timedelta(minutes=10),
        "--service-account-min-token-expiration",
        "podpass's own: the fixed minimum of Kubernetes, lowered to watch a rotation",
    )
    service_account_extend_token_expiration: bool = setting(
        True,  # noqa: FBT003 - the default, named by its field
        "--service-account-extend-token-expiration",
        "upstream's default; clients that never reload their token go on for a year",
    )
    service_account_jwks_uri: str = setting(
        "", "--service-account-jwks-uri", "empty: made from the advertised address", unit="URL"
    )
    anonymous_auth: bool = setting(
        True,  # noqa: FBT003 - the default, named by its field
        "--anonymous-auth",
        "health probes come without a credential; RBAC grants anonymous no more than that",
    )
    max_requests_inflight: int = setting(
        60, "--max-requests-inflight", "one event loop gains nothing from more", unit="requests"
    )
    max_mutating_requests_inflight: int = setting(
        40,
        "--max-mutating-requests-inflight",
        "fills the store's group commits; the sum of both is what the lanes share",
        unit="requests",
    )
    enable_priority_and_fairness: bool = setting(
        True,  # noqa: FBT003 - the default, named by its field
        "--enable-priority-and-fairness",
        "upstream's default; without it excess requests get 429 whoever sends them",
    )
    audit_policy_file: Path | None = setting(
        None, "--audit-policy-file", "without a policy nothing is logged, as upstream"
    )
    audit_log_path: str = setting(
        "", "--audit-log-path", "empty: no log; a file, or - for standard output"
    )
    audit_log_maxsize: int = setting(
        100, "--audit-log-maxsize", "a file that an editor still opens; 0: no limit", unit="MiB"
    )
    audit_log_maxbackup: int = setting(
        0, "--audit-log-maxbackup", "0: all old files are kept, as upstream"
    )
    audit_log_maxage: int = setting(
        0, "--audit-log-maxage", "0: however old they are, as upstream", unit="days"
    )
    storage: str = setting(
        "sqlite:///podpass.db", "--storage", "podpass's own: URL of the store", unit="URL"
    )
    etcd_servers: tuple[str, ...] = setting(
        (), "--etcd-servers", "none: the store is the file of --storage", unit="URLs"
    )
    etcd_ca_file: Path | None = setting(None, "--etcd-cafile", "the machine's list of CAs")
    etcd_cert_file: Path | None = setting(None, "--etcd-certfile", "no client certificate")
    etcd_key_file: Path | None = setting(None, "--etcd-keyfile", "goes with the certificate")
    etcd_prefix: str = setting(
        DEFAULT_ETCD_PREFIX, "--etcd-prefix", "apart from a Kubernetes in the same etcd"
    )
    shutdown_delay_duration: timedelta = setting(
        timedelta(0), "--shutdown-delay-duration", "nothing balances load in front of one machine"
    )

    @property
    def store_location(self) -> str | EtcdLocation:
        """Where the objects are kept."""
        if not self.etcd_servers:
            return self.storage
        return EtcdLocation(
            servers=[one for listed in self.etcd_servers for one in listed.split(",")],
            ca_file=self.etcd_ca_file,
            cert_file=self.etcd_cert_file,
            key_file=self.etcd_key_file,
            prefix=self.etcd_prefix,
        )

    @property
    def audiences(self) -> tuple[str, ...]:
        """The API audiences in force."""
        return self.api_audiences or self.service_account_issuers

    @property
    def signing_key_file(self) -> Path:
        """The private key in force; nobody looks for it if there is a signing endpoint."""
        return self.service_account_signing_key_file or Path("sa.key")

    @property
    def external_address(self) -> str:
        """`host:port` under which clients find this server."""
        host = self.advertise_address or self.bind_addresses[0]
        return f"[{host}]:{self.secure_port}" if ":" in host else f"{host}:{self.secure_port}"
