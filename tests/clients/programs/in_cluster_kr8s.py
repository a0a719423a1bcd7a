"""kr8s in a pod; it reads the token anew after a 401."""

from __future__ import annotations

import asyncio

import kr8s
from rotation import CREDENTIAL, follow


async def main() -> None:
    """Log in as the pod and follow its tokens."""
    api = await kr8s.asyncio.api()

    async def ask() -> str:
        async with api.call_api(
            "POST", version="authentication.k8s.io/v1", url="selfsubjectreviews", content="{}"
        ) as answer:
            return str(answer.json()["status"]["userInfo"]["extra"][CREDENTIAL][0])

    await follow("kr8s", ask)


if __name__ == "__main__":
    asyncio.run(main())
