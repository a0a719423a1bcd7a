"""`podpass demo`: the example pod in a namespace of its own, and the claims of its token."""

from __future__ import annotations

import subprocess
from importlib import resources

import click
import orjson

from podpass.bootstrap.cluster import load_cluster
from podpass.bootstrap.home import Home, HomeError
from podpass.cli.options import called_as, home_hint, home_option, one_clear_line
from podpass.jose.jws import unverified_payload

NAMESPACE = "demo"
TOKEN_FILE = "/var/run/secrets/tokens/vault-token"  # noqa: S105 - a path
READY_TIMEOUT = "60s"

NEXT_STEPS = """
What to try next:
  eval "$({podpass} env{home})"
  oc get nodes
  oc get pods -A -o wide
  oc exec -n {namespace} nginx -- cat {token_file}
  oc create sa build-robot
  oc create -f examples/pod-projected-svc-token.yaml
  oc create token build-robot --audience vault --duration 10m
  oc edit authentications cluster    # spec.serviceAccountIssuer: https://test.default.svc
  {podpass} issuer status --wait{home}
"""


@click.command()
@home_option
@one_clear_line
def command(home: Home) -> None:
    """Run the example pod in the namespace `demo` and print its token's claims.

    A second run shows the same pod.
    """
    load_cluster(home.cluster_file)
    pod = resources.files("podpass.bootstrap").joinpath("data/pod-projected-svc-token.yaml")
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "build-robot", "namespace": NAMESPACE},
        },
    ]
    for obj in objects:
        _create(home, orjson.dumps(obj))
    _create(home, pod.read_bytes(), "-n", NAMESPACE)
    _kubectl(
        home,
        "wait", "-n", NAMESPACE, "--for=condition=Ready", "pod/nginx", f"--timeout={READY_TIMEOUT}",
    )  # fmt: skip
    token = _kubectl(home, "exec", "-n", NAMESPACE, "nginx", "--", "cat", TOKEN_FILE)
    claims = orjson.loads(unverified_payload(token.strip()))
    click.echo(f"The kubelet keeps this token in the pod nginx at {TOKEN_FILE}; its claims are:")
    click.echo(orjson.dumps(claims, option=orjson.OPT_INDENT_2).decode())
    click.echo(
        NEXT_STEPS.format(
            podpass=called_as(), home=home_hint(home), namespace=NAMESPACE, token_file=TOKEN_FILE
        ),
        nl=False,
    )


def _create(home: Home, manifest: bytes, *arguments: str) -> None:
    try:
        _kubectl(home, "create", *arguments, "-f", "-", stdin=manifest)
    except HomeError as error:
        if "AlreadyExists" not in str(error):
            raise


def _kubectl(home: Home, *arguments: str, stdin: bytes | None = None) -> str:
    command_line = [str(home.bin / "kubectl"), "--kubeconfig", str(home.admin_kubeconfig)]
    done = subprocess.run(
        [*command_line, *arguments], input=stdin, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise HomeError(f"kubectl {arguments[0]} failed: {done.stderr.decode().strip()}")
    return done.stdout.decode()
