"""The tour of kubernetes-asyncio."""

from __future__ import annotations

import asyncio
import sys
from importlib.metadata import version

from kubernetes_asyncio import client, config, watch
from kubernetes_asyncio.stream import WsApiClient
from report import ACCOUNT, check, pod, say, step


async def main(kubeconfig: str, namespace: str) -> None:
    """Take every step in the namespace."""
    say(client="kubernetes-asyncio", version=version("kubernetes-asyncio"))
    configuration = client.Configuration()
    await config.load_kube_config(kubeconfig, client_configuration=configuration)
    async with client.ApiClient(configuration) as api, WsApiClient(configuration) as streams:
        await tour(api, streams, namespace)


async def tour(api: client.ApiClient, streams: WsApiClient, namespace: str) -> None:
    """Take every step with the two connections."""
    core, authentication = client.CoreV1Api(api), client.AuthenticationV1Api(api)

    with step("log in"):
        me = (await authentication.create_self_subject_review({})).status.user_info
        check("system:masters" in me.groups, me)

    with step("list in pages"):
        for number in range(5):
            await core.create_namespaced_config_map(
                namespace, {"metadata": {"name": f"page-{number}", "labels": {"page": "yes"}}}
            )
        names, more = [], None
        while more != "":
            page = await core.list_namespaced_config_map(
                namespace, label_selector="page=yes", limit=2, _continue=more
            )
            names += [one.metadata.name for one in page.items]
            more = page.metadata._continue or ""
        check(names == [f"page-{number}" for number in range(5)], names)

    with step("watch"):
        start = (await core.list_namespaced_config_map(namespace)).metadata.resource_version
        await core.create_namespaced_config_map(namespace, {"metadata": {"name": "seen"}})
        await core.patch_namespaced_config_map("seen", namespace, {"data": {"a": "1"}})
        await core.delete_namespaced_config_map("seen", namespace)
        seen = []
        async with watch.Watch() as watcher:
            async for event in watcher.stream(
                core.list_namespaced_config_map,
                namespace,
                resource_version=start,
                timeout_seconds=10,
            ):
                seen.append((event["type"], event["object"].data))
                if event["type"] == "DELETED":
                    break
        check([kind for kind, _ in seen] == ["ADDED", "MODIFIED", "DELETED"], seen)
        check(seen[1][1] == {"a": "1"}, seen)

    with step("create a pod"):
        await core.create_namespaced_pod(namespace, pod("tour"))
        async with watch.Watch() as watcher:
            async for event in watcher.stream(
                core.list_namespaced_pod, namespace, label_selector="tour=tour", timeout_seconds=30
            ):
                if event["object"].status.phase == "Running":
                    break
        running = await core.read_namespaced_pod("tour", namespace)
        check(running.status.phase == "Running", running.status)

    with step("read its log"):
        answer = await core.read_namespaced_pod_log(
            "tour", namespace, follow=True, _preload_content=False
        )
        line = await answer.content.readline()
        check(line == b"hello from tour\n", line)
        answer.close()

    with step("run a command in it"):
        execute = await client.CoreV1Api(streams).connect_get_namespaced_pod_exec(
            "tour",
            namespace,
            command=["sh", "-c", "read word; echo $word; exit 3"],
            stdin=True,
            stdout=True,
            stderr=True,
            _preload_content=False,
        )
        said, code = b"", 0
        async with execute as socket:
            await socket.send_bytes(b"\x00ping\n")
            async for message in socket:
                if message.data[0] == 1:
                    said += message.data[1:]
                elif message.data[0] == 3:
                    code = streams.parse_error_data(message.data[1:])
        check((said, code) == (b"ping\n", 3), (said, code))

    with step("request a token"):
        answer = await core.create_namespaced_service_account_token(
            ACCOUNT,
            namespace,
            client.AuthenticationV1TokenRequest(
                spec=client.V1TokenRequestSpec(audiences=["vault"], expiration_seconds=600)
            ),
        )
        check(answer.status.token.count(".") == 2, "not a token")

    with step("review a token"):
        for audience, good in (("vault", True), ("other", False)):
            review = await authentication.create_token_review(
                client.V1TokenReview(
                    spec=client.V1TokenReviewSpec(token=answer.status.token, audiences=[audience])
                )
            )
            check(bool(review.status.authenticated) is good, review.status)

    with step("log in with the token"):
        own = await core.create_namespaced_service_account_token(ACCOUNT, namespace, {"spec": {}})
        robot = client.Configuration(
            host=api.configuration.host,
            api_key={"BearerToken": own.status.token},
            api_key_prefix={"BearerToken": "Bearer"},
        )
        robot.ssl_ca_cert = api.configuration.ssl_ca_cert
        async with client.ApiClient(robot) as other:
            answer = await client.AuthenticationV1Api(other).create_self_subject_review({})
            me = answer.status.user_info
            check(me.username == f"system:serviceaccount:{namespace}:{ACCOUNT}", me)

    with step("be refused"):
        async with client.ApiClient(robot) as other:
            for call, code, reason in (
                (client.CoreV1Api(other).list_namespaced_pod(namespace), 403, "Forbidden"),
                (core.read_namespaced_pod("none", namespace), 404, "NotFound"),
                (core.create_namespaced_pod(namespace, pod("tour")), 409, "AlreadyExists"),
                (core.create_namespaced_pod(namespace, pod("No")), 422, "Invalid"),
            ):
                try:
                    await call
                except client.ApiException as error:
                    check(error.status == code, error)
                    check(f'"reason":"{reason}"' in error.body, error.body)
                else:
                    raise AssertionError(reason)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
