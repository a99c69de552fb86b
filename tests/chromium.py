"""Find Chromium for the browser tests, or install it: `python -m tests.chromium`.

Playwright's own download is not used: the browser comes as Debian's package, or is whatever the machine has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# no display, no services of the vendor: the tests must not depend on anything but this machine
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def path() -> str | None:
    """The browser's program, or None; JOURNEYMAP_TEST_CHROMIUM names one explicitly."""
    named = os.environ.get("JOURNEYMAP_TEST_CHROMIUM")
    return named or next((found for name in NAMES if (found := shutil.which(name))), None)


def install() -> str | None:
    """Install Debian's Chromium where we may; what to do instead goes to standard error."""
    if path() is None and shutil.which("apt-get") and os.geteuid() == 0:
        for command in (
            ["apt-get", "update", "-q"],
            ["apt-get", "install", "-y", "-q", "chromium", "fonts-dejavu-core"],
        ):
            if subprocess.run(command, stdout=subprocess.DEVNULL).returncode != 0:
                break
    if path() is None:
        print(
            "Browser tests will be skipped: install Chromium (Debian: apt-get install chromium) "
            "or set JOURNEYMAP_TEST_CHROMIUM to a browser's path.",
            file=sys.stderr,
        )
    return path()


if __name__ == "__main__":
    install()
