"""The official Python client in a pod."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from kubernetes import client, config
from kubernetes.config import incluster_config
from rotation import CACHE_SECONDS, CREDENTIAL, follow


def main() -> None:
    """Log in as the pod and follow its tokens."""
    if CACHE_SECONDS:
        loader = incluster_config.InClusterConfigLoader(
            incluster_config.SERVICE_TOKEN_FILENAME, incluster_config.SERVICE_CERT_FILENAME
        )
        loader._token_refresh_period = timedelta(seconds=CACHE_SECONDS)
        loader.load_and_set()
    else:
        config.load_incluster_config()
    authentication = client.AuthenticationV1Api()

    async def ask() -> str:
        review = authentication.create_self_subject_review({})
        return str(review.status.user_info.extra[CREDENTIAL][0])

    asyncio.run(follow("kubernetes", ask))


if __name__ == "__main__":
    main()
