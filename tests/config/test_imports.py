"""Reading configuration costs little: `config validate` and `--help` load no HTTP library."""

import subprocess
import sys

_PROGRAM = """
import sys
from image_sync import config
config.resolve(config.from_arguments(["nginx"], environ={}))
config.schema_text(), config.reference_markdown()
heavy = {
    "httpx", "aiohttp", "starlette", "uvicorn", "bcrypt", "prometheus_client", "rich", "tenacity",
    "asyncio",
}
print(sorted(heavy & set(sys.modules)))
"""


def test_the_package_imports_no_http_library() -> None:
    """Asked in a fresh interpreter."""
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.strip() == "[]"
