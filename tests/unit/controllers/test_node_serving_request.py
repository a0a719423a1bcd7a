"""Which requests are those of a node for the serving certificate of its own kubelet."""

from __future__ import annotations

import pytest
from controllers.certificate_samples import (
    SERVING_USAGES,
    dns,
    ip,
    request_pem,
    serving_request,
    signing_request,
)
from cryptography import x509
from cryptography.x509.oid import NameOID

from podpass.api.resources import Object
from podpass.controllers.node_request import NotOfANode
from podpass.controllers.node_serving_request import (
    asking_node,
    check_names,
    parse_serving_request,
)

NAME, ADDRESS = dns("n1"), ip("10.0.0.1")
COUNTRY = x509.NameAttribute(NameOID.COUNTRY_NAME, "CH")


@pytest.mark.rule("csr.node-serving")
@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(serving_request(NAME, ADDRESS), id="a name and an address"),
        pytest.param(serving_request(NAME), id="a name alone"),
        pytest.param(serving_request(ADDRESS), id="an address alone"),
        pytest.param(serving_request(ip("fd00::1")), id="an IPv6 address"),
        pytest.param(serving_request(ip("10.0.0.9")), id="whatever the address is"),
        pytest.param(
            serving_request(NAME, usages=[*SERVING_USAGES, "key encipherment"]),
            id="as kubelets with an RSA key ask",
        ),
        pytest.param(serving_request(NAME, username="admin"), id="whoever asks"),
    ],
)
def test_what_is_signed(request_: Object) -> None:
    assert parse_serving_request(request_).is_signature_valid


@pytest.mark.rule("csr.node-serving")
@pytest.mark.parametrize(
    ("request_", "text"),
    [
        pytest.param(signing_request(), "another signer", id="a client's"),
        pytest.param(serving_request(pem=b"nothing"), "parsed", id="no request at all"),
        pytest.param(serving_request(), "no DNS name and no address", id="no name"),
        pytest.param(
            serving_request(NAME, x509.RFC822Name("n1@example.com")), "other than", id="an e-mail"
        ),
        pytest.param(
            serving_request(NAME, x509.UniformResourceIdentifier("spiffe://n1")),
            "other than",
            id="a URI",
        ),
        pytest.param(
            serving_request(NAME, x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))),
            "other than",
            id="another kind of name",
        ),
        pytest.param(serving_request(NAME, usages=["server auth"]), "usages", id="a usage less"),
        pytest.param(
            serving_request(NAME, usages=[*SERVING_USAGES, "client auth"]),
            "usages",
            id="a client's usage too",
        ),
        pytest.param(
            serving_request(pem=request_pem("n1", sans=[NAME])), "common name", id="no node's name"
        ),
        pytest.param(
            serving_request(pem=request_pem(groups=(), sans=[NAME])), "organization", id="no group"
        ),
        pytest.param(
            serving_request(pem=request_pem(groups=("system:masters",), sans=[NAME])),
            "organization",
            id="another group",
        ),
        pytest.param(
            serving_request(pem=request_pem(more=[COUNTRY], sans=[NAME])),
            "more than",
            id="more in the subject",
        ),
    ],
)
def test_what_is_not(request_: Object, text: str) -> None:
    with pytest.raises(NotOfANode, match=text):
        parse_serving_request(request_)


@pytest.mark.rule("csr.serving-approval")
def test_a_node_asks_for_itself() -> None:
    assert asking_node(serving_request(NAME)) == "n1"


@pytest.mark.rule("csr.serving-approval")
@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(serving_request(NAME, username="system:node:n2"), id="another node"),
        pytest.param(serving_request(NAME, username="system:node:n11"), id="a longer name"),
        pytest.param(serving_request(NAME, username="system:admin"), id="an administrator"),
        pytest.param(serving_request(NAME, username="system:bootstrap:abcdef"), id="a newcomer"),
        pytest.param(serving_request(NAME, username=""), id="nobody"),
        pytest.param(
            serving_request(NAME, groups=["system:authenticated"]),
            id="one that is called as a node",
        ),
    ],
)
def test_who_asks_for_a_node_that_it_is_not(request_: Object) -> None:
    with pytest.raises(NotOfANode, match="who asks is not system:node:n1"):
        asking_node(request_)


def node(*addresses: tuple[str, str]) -> Object:
    listed = [{"type": kind, "address": address} for kind, address in addresses]
    return {"metadata": {"name": "n1"}, "status": {"addresses": listed}}


N1 = node(("InternalIP", "10.0.0.1"), ("Hostname", "n1"))


@pytest.mark.rule("csr.serving-approval")
@pytest.mark.parametrize(
    ("sans", "reported"),
    [
        pytest.param([NAME, ADDRESS], N1, id="all that it reports"),
        pytest.param([NAME], N1, id="less than it reports"),
        pytest.param([ADDRESS], N1, id="the address alone"),
        pytest.param([ip("1.2.3.4")], node(("ExternalIP", "1.2.3.4")), id="an outer address"),
        pytest.param([dns("a.b")], node(("InternalDNS", "a.b")), id="an inner name"),
        pytest.param([dns("a.b")], node(("ExternalDNS", "a.b")), id="an outer name"),
        pytest.param(
            [ip("fd00::1")], node(("InternalIP", "fd00:0::1")), id="an address written otherwise"
        ),
    ],
)
def test_names_that_the_node_reports(sans: list[x509.GeneralName], reported: Object) -> None:
    check_names(serving_request(*sans), reported)


@pytest.mark.rule("csr.serving-approval")
@pytest.mark.parametrize(
    ("sans", "reported"),
    [
        pytest.param([ip("10.0.0.2")], N1, id="another address"),
        pytest.param([ADDRESS, ip("10.0.0.2")], N1, id="another address beside its own"),
        pytest.param([NAME, dns("n2")], N1, id="another name beside its own"),
        pytest.param([dns("N1")], N1, id="the name in capitals"),
        pytest.param([dns("*")], N1, id="a wildcard"),
        pytest.param([dns("n1.")], N1, id="the name with a dot"),
        pytest.param([dns("10.0.0.1")], N1, id="its address as a name"),
        pytest.param([ip("10.0.0.1")], node(("Hostname", "10.0.0.1")), id="its name as an address"),
        pytest.param([ip("::ffff:10.0.0.1")], N1, id="its address mapped into IPv6"),
        pytest.param([NAME], node(), id="nothing is reported"),
        pytest.param([NAME], {"metadata": {"name": "n1"}}, id="no status yet"),
        pytest.param([NAME], node(("Odd", "n1")), id="an unknown type of address"),
        pytest.param([ADDRESS], node(("InternalIP", "n1")), id="an address that is none"),
        pytest.param([ADDRESS], node(("InternalIP", "")), id="an empty address"),
    ],
)
def test_names_that_it_does_not_report(sans: list[x509.GeneralName], reported: Object) -> None:
    with pytest.raises(NotOfANode, match="not an address that the node reports"):
        check_names(serving_request(*sans), reported)
