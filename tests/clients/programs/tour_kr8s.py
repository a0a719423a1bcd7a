"""The tour of kr8s."""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
import kr8s
import yaml
from kr8s.asyncio.objects import ConfigMap, Pod
from report import ACCOUNT, check, pod, say, step

PAGE = 100
"""How many objects kr8s asks for at a time."""


async def main(kubeconfig: str, namespace: str) -> None:
    """Take every step in the namespace."""
    say(client="kr8s", version=version("kr8s"))
    api = await kr8s.asyncio.api(kubeconfig=kubeconfig, namespace=namespace)

    async def post(group: str, url: str, body: dict[str, Any], where: str | None = None) -> Any:
        async with api.call_api(
            "POST", version=group, url=url, namespace=where, content=json.dumps(body)
        ) as answer:
            return answer.json()["status"]

    with step("log in"):
        me = await post("authentication.k8s.io/v1", "selfsubjectreviews", {})
        check("system:masters" in me["userInfo"]["groups"], me)
        check(await api.whoami() == "system:admin", me)

    with step("list in pages"):
        names = [f"page-{number:03}" for number in range(PAGE + 1)]
        objects = [
            await ConfigMap({"metadata": {"name": name, "labels": {"page": "yes"}}}, api=api)
            for name in names
        ]
        await asyncio.gather(*(one.create() for one in objects))
        found = [one.name async for one in api.get("configmaps", label_selector={"page": "yes"})]
        check(found == names, found)

    with step("watch"):
        seen = []
        async for kind, one in api.watch(
            "configmaps", field_selector={"metadata.name": "page-000"}
        ):
            seen.append((kind, one.raw.get("data")))
            if kind == "ADDED":
                await one.patch({"data": {"a": "1"}})
            elif kind == "MODIFIED":
                await one.delete()
            elif kind == "DELETED":
                break
        check([kind for kind, _ in seen] == ["ADDED", "MODIFIED", "DELETED"], seen)
        check(seen[1][1] == {"a": "1"}, seen)

    with step("create a pod"):
        running = await Pod(pod("tour"), api=api)
        await running.create()
        await running.wait("condition=Ready", timeout=30)
        check(running.status.phase == "Running", running.status)

    with step("read its log"):
        async for line in running.logs(follow=True, timeout=20):
            check(line == "hello from tour", line)
            break

    with step("run a command in it"):
        # It offers v4.channel.k8s.io only, and has no input then.
        done = await running.exec(["sh", "-c", "echo ping; exit 3"], check=False, timeout=20)
        check((done.stdout, done.returncode) == (b"ping\n", 3), done)

    account = f"serviceaccounts/{ACCOUNT}/token"
    with step("request a token"):
        wanted = {"spec": {"audiences": ["vault"], "expirationSeconds": 600}}
        token = (await post("v1", account, wanted, namespace))["token"]
        check(token.count(".") == 2, "not a token")

    with step("review a token"):
        for audience, good in (("vault", True), ("other", False)):
            spec = {"token": token, "audiences": [audience]}
            review = await post("authentication.k8s.io/v1", "tokenreviews", {"spec": spec})
            check(review.get("authenticated", False) is good, review)

    with step("log in with the token"):
        own = (await post("v1", account, {"spec": {}}, namespace))["token"]
        settings = yaml.safe_load(Path(kubeconfig).read_text())
        settings["users"][0]["user"] = {"token": own}
        await anyio.Path(file := f"{kubeconfig}.robot").write_text(json.dumps(settings))
        robot = await kr8s.asyncio.api(kubeconfig=file, namespace=namespace)
        async with robot.call_api(
            "POST", version="authentication.k8s.io/v1", url="selfsubjectreviews", content="{}"
        ) as answer:
            me = answer.json()["status"]["userInfo"]
        check(me["username"] == f"system:serviceaccount:{namespace}:{ACCOUNT}", me)

    with step("be refused"):
        await refusals(api, robot)


async def refusals(api: Any, robot: Any) -> None:
    """Ask for what cannot be had."""
    try:
        [one async for one in robot.get("configmaps")]
    except kr8s.ServerError as error:
        check(error.response.status_code == 403, error)
    else:
        raise AssertionError("not forbidden")
    try:
        await Pod.get("none", api=api)
    except kr8s.NotFoundError:
        pass
    else:
        raise AssertionError("found")
    for name, code in (("tour", 409), ("No", 422)):
        try:
            await (await Pod(pod(name), api=api)).create()
        except kr8s.ServerError as error:
            check(error.response.status_code == code, error)
        else:
            raise AssertionError(name)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
