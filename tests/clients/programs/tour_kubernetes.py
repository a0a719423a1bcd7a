"""The tour of the official Python client."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version

from kubernetes import client, config, watch
from kubernetes.stream import stream
from report import ACCOUNT, check, pod, say, step


def main(kubeconfig: str, namespace: str) -> None:
    """Take every step in the namespace."""
    say(client="kubernetes", version=version("kubernetes"))
    config.load_kube_config(kubeconfig)
    core, authentication = client.CoreV1Api(), client.AuthenticationV1Api()

    with step("log in"):
        me = authentication.create_self_subject_review({}).status.user_info
        check("system:masters" in me.groups, me)

    with step("list in pages"):
        for number in range(5):
            core.create_namespaced_config_map(
                namespace, {"metadata": {"name": f"page-{number}", "labels": {"page": "yes"}}}
            )
        page = core.list_namespaced_config_map(namespace, label_selector="page=yes", limit=2)
        check(page.metadata._continue, page.metadata)
        names = [one.metadata.name for one in page.items]
        while page.metadata._continue:
            page = core.list_namespaced_config_map(
                namespace, label_selector="page=yes", limit=2, _continue=page.metadata._continue
            )
            names += [one.metadata.name for one in page.items]
        check(names == [f"page-{number}" for number in range(5)], names)

    with step("watch"):
        start = core.list_namespaced_config_map(namespace).metadata.resource_version
        core.create_namespaced_config_map(namespace, {"metadata": {"name": "seen"}})
        core.patch_namespaced_config_map("seen", namespace, {"data": {"a": "1"}})
        core.delete_namespaced_config_map("seen", namespace)
        watcher, seen = watch.Watch(), []
        for event in watcher.stream(
            core.list_namespaced_config_map, namespace, resource_version=start, timeout_seconds=10
        ):
            seen.append((event["type"], event["object"].data))
            if event["type"] == "DELETED":
                watcher.stop()
        check([kind for kind, _ in seen] == ["ADDED", "MODIFIED", "DELETED"], seen)
        check(seen[1][1] == {"a": "1"}, seen)

    with step("create a pod"):
        core.create_namespaced_pod(namespace, pod("tour"))
        watcher = watch.Watch()
        for event in watcher.stream(
            core.list_namespaced_pod, namespace, label_selector="tour=tour", timeout_seconds=30
        ):
            if event["object"].status.phase == "Running":
                watcher.stop()
        running = core.read_namespaced_pod("tour", namespace)
        check(running.status.phase == "Running", running.status)
        check(running.status.start_time.tzinfo, running.status)

    with step("read its log"):
        log = core.read_namespaced_pod_log("tour", namespace, follow=True, _preload_content=False)
        line = log.readline()
        check(line == b"hello from tour\n", line)
        log.close()

    with step("run a command in it"):
        said = stream(
            core.connect_get_namespaced_pod_exec,
            "tour",
            namespace,
            command=["sh", "-c", "read word; echo $word; echo aside >&2; exit 3"],
            stdin=True,
            stdout=True,
            stderr=True,
            _preload_content=False,
        )
        said.write_stdin("ping\n")
        said.run_forever(timeout=10)
        check(said.read_stdout() == "ping\n", "stdout")
        check(said.read_stderr() == "aside\n", "stderr")
        check(said.returncode == 3, said.returncode)

    with step("request a token"):
        answer = core.create_namespaced_service_account_token(
            ACCOUNT,
            namespace,
            client.AuthenticationV1TokenRequest(
                spec=client.V1TokenRequestSpec(audiences=["vault"], expiration_seconds=600)
            ),
        )
        check(answer.status.token.count(".") == 2, "not a token")
        check(answer.status.expiration_timestamp.tzinfo, answer.status.expiration_timestamp)

    with step("review a token"):
        for audience, good in (("vault", True), ("other", False)):
            review = authentication.create_token_review(
                client.V1TokenReview(
                    spec=client.V1TokenReviewSpec(token=answer.status.token, audiences=[audience])
                )
            )
            check(bool(review.status.authenticated) is good, review.status)
        check(review.status.error, review.status)

    with step("log in with the token"):
        own = core.create_namespaced_service_account_token(ACCOUNT, namespace, {"spec": {}})
        robot = client.Configuration.get_default_copy()
        robot.cert_file = robot.key_file = None
        robot.api_key = {"BearerToken": own.status.token}
        robot.api_key_prefix = {"BearerToken": "Bearer"}
        api = client.ApiClient(robot)
        me = client.AuthenticationV1Api(api).create_self_subject_review({}).status.user_info
        check(me.username == f"system:serviceaccount:{namespace}:{ACCOUNT}", me)

    with step("be refused"):
        calls: list[tuple[Callable[[], object], int, str]] = [
            (lambda: client.CoreV1Api(api).list_namespaced_pod(namespace), 403, "Forbidden"),
            (lambda: core.read_namespaced_pod("none", namespace), 404, "NotFound"),
            (lambda: core.create_namespaced_pod(namespace, pod("tour")), 409, "AlreadyExists"),
            (lambda: core.create_namespaced_pod(namespace, pod("No")), 422, "Invalid"),
        ]
        for call, code, reason in calls:
            try:
                call()
            except client.ApiException as error:
                check(error.status == code, error)
                check(f'"reason":"{reason}"' in error.body, error.body)
            else:
                raise AssertionError(reason)


if __name__ == "__main__":
    main(*sys.argv[1:])
