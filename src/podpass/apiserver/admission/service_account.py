"""Every pod runs as a service account that exists, and finds its token where it looks for it.

1. A pod without account gets `default`. The account must exist; `default` is waited for a moment,
   for in a new namespace its controller may be a step behind.
2. Unless the pod, or else its account, says otherwise, containers that mount nothing at MOUNT_PATH
   get the volume there: token, CA bundle and namespace.
3. A pod without pull secrets takes those of its account.
4. An account with the annotation ENFORCE limits its pods to the Secrets that it lists.
5. A mirror pod is left as it is, and may use neither account nor Secret nor token.

Source: Kubernetes `plugin/pkg/admission/serviceaccount/admission.go`.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

from podpass.api.errors import StatusError
from podpass.api.meta import annotations_of
from podpass.api.resources import PODS, SECRETS, SERVICE_ACCOUNTS, Object
from podpass.apiserver.admission.chain import AdmissionRequest
from podpass.apiserver.admission.mountable_secrets import check_mountable_secrets, enforces
from podpass.apiserver.live_objects import LiveObjects
from podpass.apiserver.node_graph import MIRROR_ANNOTATION, references
from podpass.base.clock import Clock
from podpass.base.tasks import jitter, random_suffix
from podpass.serviceaccount.issuance import WARN_AFTER_SECONDS

DEFAULT_ACCOUNT = "default"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
ROOT_CA_CONFIG_MAP = "kube-root-ca.crt"

_DEFAULT_MODE = 0o644
_ATTEMPTS = 10
_RETRY_SECONDS = 0.1
_NOT_FOUND = 404


def access_volume(name: str) -> Object:
    """Return the volume that is mounted at MOUNT_PATH."""
    return {
        "name": name,
        "projected": {
            "defaultMode": _DEFAULT_MODE,
            "sources": [
                {
                    "serviceAccountToken": {
                        "expirationSeconds": WARN_AFTER_SECONDS,
                        "path": "token",
                    }
                },
                {
                    "configMap": {
                        "name": ROOT_CA_CONFIG_MAP,
                        "items": [{"key": "ca.crt", "path": "ca.crt"}],
                    }
                },
                {
                    "downwardAPI": {
                        "items": [
                            {
                                "path": "namespace",
                                "fieldRef": {
                                    "apiVersion": "v1",
                                    "fieldPath": "metadata.namespace",
                                },
                            }
                        ]
                    }
                },
            ],
        },
    }


def _mounts_token(spec: Object, account: Object) -> bool:
    for one in (spec, account):
        automount = one.get("automountServiceAccountToken")
        if automount is not None:
            return bool(automount)
    return True


def _containers(spec: Object) -> Iterator[Object]:
    yield from spec.get("initContainers") or ()
    yield from spec.get("containers") or ()


def add_access_volume(spec: Object, suffix: str) -> None:
    """Mount the account's token in every container that has nothing at MOUNT_PATH (rule 2).

    Args:
        spec: Pod spec, changed in place.
        suffix: Random end of a new volume's name.
    """
    bare = [
        container
        for container in _containers(spec)
        if all(one.get("mountPath") != MOUNT_PATH for one in container.get("volumeMounts") or ())
    ]
    if not bare:
        return
    volumes = spec.get("volumes") or []
    names = [str(one.get("name")) for one in volumes]
    name = next((one for one in names if one.startswith(VOLUME_PREFIX)), "")
    if not name:
        name = VOLUME_PREFIX + suffix
        spec["volumes"] = [*volumes, access_volume(name)]
    for container in bare:
        mount = {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}
        container["volumeMounts"] = [*(container.get("volumeMounts") or []), mount]


def _check_mirror_pod(request: AdmissionRequest, spec: Object) -> None:
    if spec.get("serviceAccountName"):
        raise request.forbidden("a mirror pod may not reference service accounts")
    if any(resource is SECRETS for resource, _ in references(spec)):
        raise request.forbidden("a mirror pod may not reference secrets")
    for volume in spec.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if source.get("serviceAccountToken") is not None:
                raise request.forbidden(
                    "a mirror pod may not use ServiceAccountToken volume projections"
                )


class ServiceAccountAdmission:
    """The plugin `ServiceAccount`."""

    def __init__(self, objects: LiveObjects, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock

    async def mutate(self, request: AdmissionRequest) -> None:
        """Give a new pod its account and the account's token (rules 1 to 3).

        Raises:
            StatusError: 403, there is no such account.
        """
        pod = _new_pod(request)
        if pod is None or MIRROR_ANNOTATION in annotations_of(pod):  # 5
            return
        spec = pod.setdefault("spec", {})
        if not spec.get("serviceAccountName"):  # 1
            spec["serviceAccountName"] = DEFAULT_ACCOUNT
        spec["serviceAccount"] = spec["serviceAccountName"]
        account = await self._account(request, spec["serviceAccountName"])
        if _mounts_token(spec, account):
            add_access_volume(spec, random_suffix())
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):  # 3
            spec["imagePullSecrets"] = deepcopy(account["imagePullSecrets"])

    async def validate(self, request: AdmissionRequest) -> None:
        """Refuse by rules 4 and 5.

        Raises:
            StatusError: 403.
        """
        pod = _new_pod(request)
        if pod is None:
            return
        spec = pod.get("spec") or {}
        if MIRROR_ANNOTATION in annotations_of(pod):
            _check_mirror_pod(request, spec)
            return
        account = await self._account(request, spec.get("serviceAccountName") or DEFAULT_ACCOUNT)
        if enforces(account):  # 4
            problem = check_mountable_secrets(spec, account)
            if problem:
                raise request.forbidden(problem)

    async def _account(self, request: AdmissionRequest, name: str) -> Object:
        attempts = _ATTEMPTS if name == DEFAULT_ACCOUNT else 1
        pause = jitter(_RETRY_SECONDS, 0.99)
        while True:
            try:
                return await self._objects.get(SERVICE_ACCOUNTS, request.namespace, name)
            except StatusError as error:
                if error.code != _NOT_FOUND:
                    raise
            attempts -= 1
            if not attempts:
                raise request.forbidden(
                    f"error looking up service account {request.namespace}/{name}: "
                    f'serviceaccount "{name}" not found'
                )
            await self._clock.sleep(pause)


def _new_pod(request: AdmissionRequest) -> Object | None:
    is_pod = request.resource is PODS and not request.subresource
    return request.object if is_pod and request.operation == "CREATE" else None
