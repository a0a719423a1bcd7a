"""kubernetes-asyncio in a pod."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from kubernetes_asyncio import client, config
from kubernetes_asyncio.config import incluster_config
from rotation import CACHE_SECONDS, CREDENTIAL, follow


async def main() -> None:
    """Log in as the pod and follow its tokens."""
    if CACHE_SECONDS:
        incluster_config.TOKEN_REFRESH_PERIOD = timedelta(seconds=CACHE_SECONDS)
    config.load_incluster_config()
    async with client.ApiClient() as api:
        authentication = client.AuthenticationV1Api(api)

        async def ask() -> str:
            review = await authentication.create_self_subject_review({})
            return str(review.status.user_info.extra[CREDENTIAL][0])

        await follow("kubernetes-asyncio", ask)


if __name__ == "__main__":
    asyncio.run(main())
