"""kubectl in a pod, without a kubeconfig: each call reads the token."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

from rotation import CREDENTIAL, follow


def main(kubectl: str) -> None:
    """Call it until the first token has expired."""

    async def ask() -> str:
        done = subprocess.run(  # noqa: ASYNC221 - nothing else is to run
            [kubectl, "auth", "whoami", "-o", "json"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return str(json.loads(done.stdout)["status"]["userInfo"]["extra"][CREDENTIAL][0])

    asyncio.run(follow("kubectl", ask))


if __name__ == "__main__":
    main(sys.argv[1])
