"""`bootstrap.prepare`: everything that a start needs is there, private, and kept."""

from __future__ import annotations

import base64
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from podpass.bootstrap.certificates import CERTIFICATE_LIFETIME
from podpass.bootstrap.cluster import Cluster, ClusterNode, load_cluster, make_nodes
from podpass.bootstrap.home import Home, HomeError, default_home
from podpass.bootstrap.prepare import metrics_address, prepare_home

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLUSTER = Cluster(port=6443, nodes=make_nodes(2))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("home"))
    prepare_home(home, CLUSTER, now=NOW)
    return home


def contents(home: Home) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for path in home.root.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_second_run_changes_nothing(home: Home) -> None:
    before = contents(home)
    prepare_home(home, CLUSTER, now=NOW + timedelta(days=1))
    assert contents(home) == before


def test_keys_and_kubeconfigs_are_for_the_owner_only(home: Home) -> None:
    private = [*home.root.rglob("*.key"), *home.root.rglob("*.kubeconfig")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


@pytest.mark.parametrize(
    ("stem", "user", "groups"),
    [
        ("admin", "system:admin", ["system:masters"]),
        ("controller-manager", "system:kube-controller-manager", []),
        ("kubelet-master-1", "system:node:master-1", ["system:nodes"]),
    ],
)
def test_client_certificates_name_user_and_groups(
    home: Home, stem: str, user: str, groups: list[str]
) -> None:
    subject = certificate(home.pki / f"{stem}.crt").subject
    names = [one.value for one in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    organizations = [one.value for one in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    assert (names, organizations) == ([user], groups)


def test_the_serving_certificate_covers_every_address(home: Home) -> None:
    extensions = certificate(home.pki / "apiserver.crt").extensions
    sans = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = {str(one) for one in sans.get_values_for_type(x509.IPAddress)}
    assert addresses == {"127.0.0.1", "172.30.0.1", "127.0.0.11", "127.0.0.12"}


def test_certificates_hold_on_a_clock_that_is_set_back(home: Home) -> None:
    for path in home.pki.glob("*.crt"):
        assert certificate(path).not_valid_before_utc <= NOW - timedelta(hours=14), path
    serving = certificate(home.pki / "apiserver.crt")
    # What macOS and iOS accept of a server at most.
    assert serving.not_valid_after_utc - serving.not_valid_before_utc <= timedelta(days=825)


def test_an_old_certificate_is_made_anew_with_the_same_ca(tmp_path: Path) -> None:
    home = Home(tmp_path)
    prepare_home(home, CLUSTER, now=NOW)
    before = contents(home)
    prepare_home(home, CLUSTER, now=NOW + CERTIFICATE_LIFETIME)
    after = contents(home)
    assert after[home.pki / "ca.key"] == before[home.pki / "ca.key"]
    assert after[home.pki / "sa.key"] == before[home.pki / "sa.key"]
    assert after[home.pki / "admin.crt"] != before[home.pki / "admin.crt"]


def test_no_pod_sees_the_key_of_the_ca(home: Home) -> None:
    ca_key = (home.pki / "ca.key").read_bytes()
    mounted = [path for path in contents(home) if "resources" in path.parts]
    assert mounted
    assert all(path.read_bytes() != ca_key for path in mounted)


def manifest(home: Home, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((home.node("master-1").manifests / name).read_text())
    return content


def test_the_controller_manager_sees_its_own_files_only(home: Home) -> None:
    spec = manifest(home, "kube-controller-manager.yaml")["spec"]
    sources = [Path(volume["hostPath"]["path"]) for volume in spec["volumes"]]
    files = {path.name for source in sources for path in source.iterdir()}
    assert files == {"ca.crt", "controller-manager.kubeconfig", "tls.crt", "tls.key"}


@pytest.mark.parametrize(
    ("ip", "address"),
    [
        pytest.param("127.0.0.12", "127.0.0.12", id="one of several nodes on a machine"),
        pytest.param("10.77.0.1", "127.0.0.1", id="a host that others join"),
    ],
)
def test_the_controller_manager_shows_its_metrics_on_loopback(ip: str, address: str) -> None:
    assert metrics_address(ClusterNode("n", ip, "10.128.0.0/24")) == address


HOSTS = Cluster(
    port=6443,
    nodes=(ClusterNode("host-1", "10.77.0.1", "10.128.0.0/24"),),
    advertise_address="10.77.0.1",
)


def test_servers_of_hosts_that_join_have_a_ca_of_their_own(tmp_path: Path) -> None:
    home = Home(tmp_path)
    prepare_home(home, HOSTS, now=NOW)
    ca, serving = (certificate(home.pki / f"{one}.crt") for one in ("ca", "kubelet-serving-ca"))
    assert ca.public_key() != serving.public_key()
    node = home.node("host-1").resources
    bundle = node / "kube-apiserver-pod-1/configmaps/kubelet-serving-ca/ca-bundle.crt"
    assert x509.load_pem_x509_certificates(bundle.read_bytes()) == [ca, serving]
    clients = node / "kube-apiserver-certs/configmaps/client-ca/ca-bundle.crt"
    assert x509.load_pem_x509_certificates(clients.read_bytes()) == [ca]
    manager = json.loads(
        (home.node("host-1").manifests / "kube-controller-manager.yaml").read_text()
    )
    arguments = manager["spec"]["containers"][0]["args"]
    files = "/etc/kubernetes/static-pod-resources/kubelet-serving-ca"
    assert f"--cluster-signing-kubelet-serving-key-file={files}.key" in arguments
    assert (node / "kube-controller-manager/kubelet-serving-ca.key").stat().st_mode & 0o777 == 0o600


def test_a_home_whose_api_servers_do_not_know_it_goes_on_with_one(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.seeded_file.parent.mkdir(parents=True, exist_ok=True)
    home.seeded_file.write_bytes(b"")
    prepare_home(home, HOSTS, now=NOW)
    assert not (home.pki / "kubelet-serving-ca.crt").exists()
    text = (home.node("host-1").manifests / "kube-controller-manager.yaml").read_text()
    assert "kubelet-serving" not in text
    assert "--cluster-signing-key-file" in text


def test_the_api_server_starts_at_revision_1_and_keeps_a_later_one(tmp_path: Path) -> None:
    home = Home(tmp_path)
    prepare_home(home, CLUSTER, now=NOW)
    resources = home.node("master-1").resources / "kube-apiserver-pod-1"
    config = json.loads((resources / "configmaps/config/config.yaml").read_text())
    arguments = config["apiServerArguments"]
    assert arguments["secure-port"] == ["6443"]
    assert arguments["advertise-address"] == ["127.0.0.12"]
    assert arguments["service-account-min-token-expiration"] == ["600s"]
    target = home.node("master-1").manifests / "kube-apiserver.yaml"
    assert json.loads(target.read_text())["metadata"]["labels"]["revision"] == "1"
    target.write_text("of a later revision")
    prepare_home(home, CLUSTER, now=NOW)
    assert target.read_text() == "of a later revision"


def test_a_kubeconfig_holds_a_matching_key(home: Home) -> None:
    document = json.loads(home.admin_kubeconfig.read_text())
    user = document["users"][0]["user"]
    key = load_pem_private_key(base64.b64decode(user["client-key-data"]), None)
    shown = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == shown.public_key()
    assert document["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [("RS256", rsa.RSAPrivateKey), ("ES256", ec.EllipticCurvePrivateKey)],
)
def test_the_signing_key_follows_the_algorithm(tmp_path: Path, algorithm: str, kind: type) -> None:
    home = Home(tmp_path)
    prepare_home(home, Cluster(6443, make_nodes(1), signing_algorithm=algorithm), now=NOW)
    key = load_pem_private_key((home.pki / "sa.key").read_bytes(), None)
    assert isinstance(key, kind)
    if isinstance(key, rsa.RSAPrivateKey):
        assert key.key_size == 2048


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ca.key", "the CA in"),
        ("ca.crt", "the CA in"),
        ("sa.key", "the signing key"),
        ("admin.crt", "delete it to have it made anew"),
    ],
)
def test_damage_is_named_and_nothing_is_replaced(tmp_path: Path, name: str, message: str) -> None:
    home = Home(tmp_path)
    prepare_home(home, CLUSTER, now=NOW)
    (home.pki / name).write_bytes(b"damaged")
    with pytest.raises(HomeError, match=message):
        prepare_home(home, CLUSTER, now=NOW)
    assert (home.pki / name).read_bytes() == b"damaged"


@pytest.mark.parametrize("name", ["ca.key", "sa.key"])
def test_a_lost_key_is_never_silently_replaced(tmp_path: Path, name: str) -> None:
    home = Home(tmp_path)
    prepare_home(home, CLUSTER, now=NOW)
    (home.pki / name).unlink()
    with pytest.raises(HomeError):
        prepare_home(home, CLUSTER, now=NOW)


def test_the_cluster_file_is_written(home: Home) -> None:
    assert load_cluster(home.cluster_file) == CLUSTER


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({"PODPASS_HOME": "/x"}, "/x", id="PODPASS_HOME wins"),
        pytest.param({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/podpass", id="XDG_STATE_HOME"),
        pytest.param({"HOME": "/h"}, "/h/.local/state/podpass", id="the user's home"),
    ],
)
def test_the_default_home(environ: dict[str, str], expected: str) -> None:
    assert default_home(environ) == Path(expected)
