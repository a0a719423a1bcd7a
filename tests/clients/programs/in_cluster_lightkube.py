"""The asynchronous client of lightkube in a pod; it reads the token anew after a 401."""

from __future__ import annotations

import asyncio

from lightkube import AsyncClient
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.authentication_v1 import SelfSubjectReview
from rotation import CREDENTIAL, follow


async def main() -> None:
    """Log in as the pod and follow its tokens."""
    api = AsyncClient()

    async def ask() -> str:
        review = await api.create(SelfSubjectReview(metadata=ObjectMeta()))
        return str(review.status.userInfo.extra[CREDENTIAL][0])

    await follow("lightkube", ask)


if __name__ == "__main__":
    asyncio.run(main())
