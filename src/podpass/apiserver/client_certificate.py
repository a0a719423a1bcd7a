"""The user in a client certificate: common name is the name, organizations are the groups.

TLS has verified the certificate against the client CA when the connection was made; that it has
not run out since is checked at each request. Source: apiserver
`authentication/request/x509/x509.go`, `CommonNameUserConversion`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from podpass.api.meta import UserInfo
from podpass.serviceaccount.validation import CREDENTIAL_ID

_MAXIMUM_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class CertificateUser:
    """Who a certificate stands for, and how long; `user` is None without a common name."""

    user: UserInfo | None
    not_after: datetime


def read_certificate(der: bytes) -> CertificateUser:
    """Read a certificate that TLS has accepted.

    Raises:
        ValueError: It cannot be parsed.
    """
    certificate = x509.load_der_x509_certificate(der)
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    groups = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    user = None
    if names and names[0].value:
        user = UserInfo(
            name=str(names[0].value),
            groups=tuple(str(group.value) for group in groups),
            extra={CREDENTIAL_ID: (f"X509SHA256={hashlib.sha256(der).hexdigest()}",)},
        )
    return CertificateUser(user, certificate.not_valid_after_utc)


class CertificateUsers:
    """Reads each certificate once."""

    def __init__(self) -> None:
        self._known: dict[bytes, CertificateUser] = {}

    def user_of(self, der: bytes, now: datetime) -> CertificateUser | None:
        """Return who the certificate stands for, None if it has run out or cannot be read."""
        known = self._known.get(der)
        if known is None:
            try:
                known = read_certificate(der)
            except ValueError:
                return None
            if len(self._known) >= _MAXIMUM_REMEMBERED:
                self._known.clear()
            self._known[der] = known
        return known if now <= known.not_after else None
