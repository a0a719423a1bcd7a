"""The life of a CertificateSigningRequest: what may be written in it, by which way.

1. A new one has no status, and its `spec` never changes.
2. `approval` adds the conditions Approved or Denied and changes nothing else.
3. `status` sets the certificate and other conditions, and leaves Approved and Denied alone.
4. Approved and Denied exclude each other, are True, and are never taken back; nor is a certificate.
5. A life that is asked for is 600 seconds or more.

Source: Kubernetes `pkg/registry/certificates/certificates`, `pkg/apis/certificates/validation`.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime
from typing import Final

from podpass.api.field_errors import FieldError, duplicate, forbidden, invalid, required
from podpass.api.meta import find_condition, format_time
from podpass.api.resources import Object

KUBELET_SERVING: Final = "kubernetes.io/kubelet-serving"
KUBELET_CLIENT: Final = "kubernetes.io/kube-apiserver-client-kubelet"
API_CLIENT: Final = "kubernetes.io/kube-apiserver-client"
APPROVED: Final = "Approved"
DENIED: Final = "Denied"
FAILED: Final = "Failed"
MINIMUM_SECONDS: Final = 600

_DECISIONS: Final = (APPROVED, DENIED)
_SIGNER: Final = re.compile(
    r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-._:A-Za-z0-9]*[A-Za-z0-9])?"
)
_MAX_SIGNER_BYTES: Final = 571
_USAGES: Final = frozenset({
    "signing", "digital signature", "content commitment", "key encipherment", "key agreement",
    "data encipherment", "cert sign", "crl sign", "encipher only", "decipher only", "any",
    "server auth", "client auth", "code signing", "email protection", "s/mime",
    "ipsec end system", "ipsec tunnel", "ipsec user", "timestamping", "ocsp signing",
    "microsoft sgc", "netscape sgc",
})  # fmt: skip


def conditions_of(request: Object) -> list[Object]:
    """Return the conditions of a request."""
    return list((request.get("status") or {}).get("conditions") or ())


def has_condition(request: Object, kind: str) -> bool:
    """Tell whether a request was Approved, Denied or Failed."""
    return find_condition(conditions_of(request), kind) is not None


def approve(request: Object, message: str, now: datetime) -> Object:
    """Return a request that a controller approves at `now`; `message` says why."""
    time = format_time(now)
    condition = {
        "type": APPROVED,
        "status": "True",
        "reason": "AutoApproved",
        "message": message,
        "lastUpdateTime": time,
        "lastTransitionTime": time,
    }
    status = (request.get("status") or {}) | {"conditions": [*conditions_of(request), condition]}
    return request | {"status": status}


def pem_of(value: object) -> bytes | None:
    """Return the bytes of a field that JSON carries as base64, None if it is not."""
    if not isinstance(value, str):
        return None
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        return None


def keep_what_the_path_forbids(new: Object, old: Object, subresource: str) -> None:
    """Undo in `new`, in place, what this way of writing may not change (rules 1 to 3)."""
    new["spec"] = old.get("spec") or {}
    before = old.get("status") or {}
    wanted = new.get("status") or {}
    decided, other = _split(wanted)
    decided_before, other_before = _split(before)
    if subresource == "approval":
        status = before | {"conditions": other_before + decided}
    elif subresource == "status":
        status = wanted | {"conditions": decided_before + other}
    else:
        status = dict(before)
    if not status.get("conditions"):
        status.pop("conditions", None)
    new["status"] = status


def _split(status: Object) -> tuple[list[Object], list[Object]]:
    conditions = status.get("conditions") or ()
    decided = [one for one in conditions if one.get("type") in _DECISIONS]
    return decided, [one for one in conditions if one.get("type") not in _DECISIONS]


def request_errors(request: Object) -> list[FieldError]:
    """Return what is wrong with a new request."""
    spec = request.get("spec") or {}
    errors = _pem_errors(spec.get("request"))
    usages = spec.get("usages") or ()
    if not usages:
        errors.append(required("spec.usages"))
    for index, usage in enumerate(usages):
        path = f"spec.usages[{index}]"
        if usage not in _USAGES:
            errors.append(invalid(path, usage, "unknown usage"))
        elif usage in usages[:index]:
            errors.append(duplicate(path, usage))
    signer = spec.get("signerName") or ""
    if not signer:
        errors.append(required("spec.signerName"))
    elif len(signer) > _MAX_SIGNER_BYTES or not _SIGNER.fullmatch(signer):
        text = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        errors.append(invalid("spec.signerName", signer, text))
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < MINIMUM_SECONDS:
        text = f"may not specify a duration less than {MINIMUM_SECONDS} seconds (10 minutes)"
        errors.append(invalid("spec.expirationSeconds", seconds, text))
    return errors


def _pem_errors(value: object) -> list[FieldError]:
    pem = pem_of(value)
    if not pem:
        return [required("spec.request")]
    from cryptography import x509  # noqa: PLC0415 - rare

    try:
        parsed = x509.load_pem_x509_csr(pem)
        good = parsed.is_signature_valid
    except Exception:  # noqa: BLE001 - whatever is wrong with bytes from outside
        good = False
    if good:
        return []
    return [invalid("spec.request", "<omitted>", "PEM block type must be CERTIFICATE REQUEST")]


def request_update_errors(new: Object, old: Object) -> list[FieldError]:
    """Return what may not be changed in a request and is (rule 4)."""
    path = "status.conditions"
    errors: list[FieldError] = []
    now = {one.get("type"): one for one in conditions_of(new)}
    for index, one in enumerate(conditions_of(new)):
        kind, status = one.get("type"), one.get("status")
        if not kind:
            errors.append(required(f"{path}[{index}].type"))
        elif kind in (*_DECISIONS, FAILED) and status != "True":
            text = 'must be "True"'
            errors.append(invalid(f"{path}[{index}].status", status, text))
        elif status not in ("True", "False", "Unknown"):
            errors.append(required(f"{path}[{index}].status"))
    if APPROVED in now and DENIED in now:
        errors.append(
            invalid(path, DENIED, "Approved and Denied conditions are mutually exclusive")
        )
    gone = [
        one["type"]
        for one in conditions_of(old)
        if one.get("type") in (*_DECISIONS, FAILED) and one["type"] not in now
    ]
    errors += [
        forbidden(path, f"updates may not remove a condition of type {kind!r}") for kind in gone
    ]
    before = (old.get("status") or {}).get("certificate")
    certificate = (new.get("status") or {}).get("certificate")
    if before and certificate != before:
        errors.append(
            forbidden(
                "status.certificate",
                "updates may not set certificate content after it has been issued",
            )
        )
    elif certificate and b"-----BEGIN CERTIFICATE-----" not in (pem_of(certificate) or b""):
        errors.append(
            invalid(
                "status.certificate",
                "<certificate data>",
                "must contain at least one CERTIFICATE PEM block",
            )
        )
    return errors
