"""The tour of lightkube."""

from __future__ import annotations

import sys
from importlib.metadata import version

from lightkube import ApiError, Client, KubeConfig
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import Context, User
from lightkube.models.authentication_v1 import TokenRequestSpec, TokenReviewSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.authentication_v1 import SelfSubjectReview, TokenReview
from lightkube.resources.core_v1 import ConfigMap, Pod, ServiceAccountToken
from report import ACCOUNT, check, pod, say, step


def main(kubeconfig: str, namespace: str) -> None:
    """Take every step in the namespace."""
    say(client="lightkube", version=version("lightkube"))
    settings = KubeConfig.from_file(kubeconfig)
    api = Client(settings, namespace=namespace)

    with step("log in"):
        me = api.create(SelfSubjectReview(metadata=ObjectMeta())).status.userInfo
        check("system:masters" in me.groups, me)

    with step("list in pages"):
        for number in range(5):
            api.create(
                ConfigMap(metadata=ObjectMeta(name=f"page-{number}", labels={"page": "yes"}))
            )
        found = api.list(ConfigMap, labels={"page": "yes"}, chunk_size=2)
        names = [one.metadata.name for one in found]
        check(names == [f"page-{number}" for number in range(5)], names)

    with step("watch"):
        start = api.list(ConfigMap)
        list(start)
        api.create(ConfigMap(metadata=ObjectMeta(name="seen")))
        api.patch(ConfigMap, "seen", {"data": {"a": "1"}})
        api.delete(ConfigMap, "seen")
        seen = []
        for kind, one in api.watch(ConfigMap, resource_version=start.resourceVersion):
            seen.append((kind, one.data))
            if kind == "DELETED":
                break
        check([kind for kind, _ in seen] == ["ADDED", "MODIFIED", "DELETED"], seen)
        check(seen[1][1] == {"a": "1"}, seen)

    with step("create a pod"):
        api.create(Pod.from_dict(pod("tour")))
        running = api.wait(Pod, "tour", for_conditions=["Ready"])
        check(running.status.phase == "Running", running.status)

    with step("read its log"):
        line = next(iter(api.log("tour", follow=True)))
        check(line == "hello from tour\n", line)

    with step("run a command in it"):
        done = api.exec(
            "tour",
            command=["sh", "-c", "read word; echo $word; exit 3"],
            stdin="ping\n",
            stdout=True,
            timeout=20,
        )
        check((done.stdout, done.exit_code) == ("ping\n", 3), done)

    with step("request a token"):
        answer = api.create(
            ServiceAccountToken(
                metadata=ObjectMeta(),
                spec=TokenRequestSpec(audiences=["vault"], expirationSeconds=600),
            ),
            ACCOUNT,
        )
        check(answer.status.token.count(".") == 2, "not a token")

    with step("review a token"):
        for audience, good in (("vault", True), ("other", False)):
            spec = TokenReviewSpec(token=answer.status.token, audiences=[audience])
            review = api.create(TokenReview(metadata=ObjectMeta(), spec=spec))
            check(bool(review.status.authenticated) is good, review.status)

    with step("log in with the token"):
        own = api.create(
            ServiceAccountToken(metadata=ObjectMeta(), spec=TokenRequestSpec(audiences=[])), ACCOUNT
        )
        cluster = settings.get().cluster
        robot = Client(
            SingleConfig(
                context_name="robot",
                context=Context(cluster="robot", namespace=namespace),
                cluster=cluster,
                user=User(token=own.status.token),
            )
        )
        me = robot.create(SelfSubjectReview(metadata=ObjectMeta())).status.userInfo
        check(me.username == f"system:serviceaccount:{namespace}:{ACCOUNT}", me)

    with step("be refused"):
        for call, code, reason in (
            (lambda: list(robot.list(Pod)), 403, "Forbidden"),
            (lambda: api.get(Pod, "none"), 404, "NotFound"),
            (lambda: api.create(Pod.from_dict(pod("tour"))), 409, "AlreadyExists"),
            (lambda: api.create(Pod.from_dict(pod("No"))), 422, "Invalid"),
        ):
            try:
                call()
            except ApiError as error:
                told = (error.status.code, error.status.reason)
                check(told == (code, reason), error)
            else:
                raise AssertionError(reason)


if __name__ == "__main__":
    main(*sys.argv[1:])
