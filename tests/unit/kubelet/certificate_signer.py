"""Signs what kubelets ask a simulated API server for, with the clock of the test."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from podpass.api.resources import CERTIFICATE_SIGNING_REQUESTS as CSR
from podpass.api.resources import Object
from podpass.base.clock import Clock, SystemClock
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.fake_clock import FakeClock

LIFE = timedelta(hours=10)
CA_KEY = ec.generate_private_key(ec.SECP256R1())
CA_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-ca")])


def ca_certificate(clock: Clock) -> bytes:
    """Return the certificate of the CA that signs, as PEM."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(CA_NAME)
        .issuer_name(CA_NAME)
        .public_key(CA_KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now())
        .not_valid_after(clock.now() + 1000 * LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )
    return builder.sign(CA_KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True)
class Signer:
    """Answers every request in the simulator."""

    simulator: ApiSimulator
    clock: FakeClock

    def pending(self) -> list[Object]:
        return [one for one in self.simulator.objects(CSR) if not one.get("status")]

    def parsed(self) -> list[x509.CertificateSigningRequest]:
        return [x509.load_pem_x509_csr(_pem(one)) for one in self.pending()]

    def answer(self, status: Object | None = None) -> None:
        for request in self.pending():
            issued = {"certificate": base64.b64encode(self.sign(_pem(request))).decode()}
            self.simulator.put(CSR, request | {"status": status or issued})

    def sign(self, pem: bytes) -> bytes:
        request = x509.load_pem_x509_csr(pem)
        now = self.clock.now()
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(CA_NAME)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + LIFE)
        )
        for one in request.extensions:
            builder = builder.add_extension(one.value, critical=one.critical)
        return builder.sign(CA_KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _pem(request: Object) -> bytes:
    return base64.b64decode(request["spec"]["request"])


async def passes(clock: FakeClock, condition: Callable[[], object | Awaitable[object]]) -> None:
    """Let the time of the kubelet pass until something has happened.

    Raises:
        AssertionError: It has not, within 30 seconds of real time.
    """
    real = SystemClock()
    deadline = real.monotonic() + 30
    while True:
        value = condition()
        if await value if inspect.isawaitable(value) else value:
            return
        assert real.monotonic() < deadline, "it has not happened"
        await clock.advance(0.5)
        await real.sleep(0.01)
