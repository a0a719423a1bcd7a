"""The process that holds the namespaces of a pod with a network of its own.

1. It makes a network, IPC and UTS namespace (and a user namespace when it is not root).
2. It listens at the service address inside and relays each connection, byte for byte, to the
   first unix socket of an API server that accepts; unix sockets reach across networks.
3. On `control.sock` it hands out unconnected TCP sockets of the pod's network, with which the
   kubelet probes and forwards.

Describes itself in `state.json`: {"pid", "pid_ticks"}. Lives until it is killed.
"""

# Runs in a small process: no pathlib, no contextlib.
# ruff: noqa: FBT003, SIM105
from __future__ import annotations

import marshal
import os
import socket
import sys

from podpass.kubelet.runtime import credentials, kernel, network
from podpass.kubelet.runtime.record import start_ticks, write_record
from podpass.kubelet.runtime.relay import Relay
from podpass.kubelet.runtime.socket_path import short_address

TYPE_CHECKING = False  # importing `typing` costs a megabyte in every sandbox
if TYPE_CHECKING:
    from podpass.kubelet.runtime.specs import SandboxSpec

CONTROL_SOCKET = "control.sock"
READY = b"ready"
_BACKLOG = 1024


def main() -> None:
    """Make the sandbox that is described on standard input; the reply goes to descriptor 1."""
    with os.fdopen(0, "rb", closefd=False) as file:
        spec: SandboxSpec = marshal.load(file)  # noqa: S302 - our own parent's bytes
    reply = os.dup(1)
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.dup2(null, 1)
    kernel.name_process("podpass-sandbox")
    try:
        relay = _prepare(spec)
        record = {"pid": os.getpid(), "pid_ticks": start_ticks(os.getpid())}
        write_record(spec["directory"] + "/state.json", {**record}, durable=False)
    except OSError as error:
        os.write(reply, str(error).encode())
        sys.exit(1)
    os.write(reply, READY)
    os.close(reply)
    relay.run()


def _prepare(spec: SandboxSpec) -> Relay:
    relay = Relay()
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with short_address(spec["directory"] + "/" + CONTROL_SOCKET) as address:
        control.bind(address)
    control.listen(16)
    if not spec["rootful"]:
        credentials.enter_user_namespace(0, 0)
    kernel.unshare(kernel.NEW_NET | kernel.NEW_IPC | kernel.NEW_UTS)
    kernel.set_hostname(spec["hostname"])
    network.bring_up_loopback()
    network.allow_low_ports()
    for ip in spec["addresses"]:
        network.add_loopback_address(ip)
    relay.listen(control, lambda: _hand_out_socket(control))
    if spec["service_host"]:
        service = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        service.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        service.bind((spec["service_host"], spec["service_port"]))
        service.listen(_BACKLOG)
        service.setblocking(False)
        endpoints = spec["endpoints"]
        relay.listen(service, lambda: _accept(service, endpoints, relay))
    return relay


def _hand_out_socket(control: socket.socket) -> None:
    try:
        client, _ = control.accept()
    except OSError:
        return
    with client, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as inside:
        try:
            socket.send_fds(client, [READY], [inside.fileno()])
        except OSError:
            pass


def _accept(service: socket.socket, endpoints: list[str], relay: Relay) -> None:
    try:
        client, _ = service.accept()
    except OSError:
        return
    for endpoint in endpoints:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with short_address(endpoint) as address:
                server.connect(address)
        except OSError:
            server.close()
            continue
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        relay.join(client, server)
        return
    client.close()
