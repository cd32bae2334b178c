"""An S3 server as far as we need one: moto's, which forgets everything when it ends."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.error import URLError

import boto3

from moderation.s3_settings import S3Settings
from tests.services.server import Server

__all__ = ["S3Server"]


class S3Server(Server):
    """moto on 127.0.0.1: S3, and SQS too.

    url     what is set as `endpoint_url`
    client  boto3's for S3, for what tests put there
    """

    name = "s3"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> S3Settings:
        return S3Settings(endpoint_url=self.url, region="us-east-1", max_attempts=2)

    @classmethod
    def find(cls) -> Path:
        if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
            raise FileNotFoundError("there is no S3 server: install the wheel moto[server]")
        return Path(sys.executable)

    def prepare(self) -> None:
        """It keeps nothing on the disk."""

    @property
    def pid_file(self) -> Path:
        """It makes none: nothing of it is left when it is killed."""
        return self.folder / "moto.pid"

    def command(self) -> Sequence[str]:
        return [str(self.find()), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    def run(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """As whoever runs the tests: only that one may reach this Python."""
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                process_group=self._warden.pid,
            )

    def answers(self) -> bool:
        try:
            return bool(urllib.request.urlopen(f"{self.url}/moto-api/", timeout=5).status == 200)
        except (URLError, ConnectionError, TimeoutError):
            return False

    @cached_property
    def client(self) -> Any:
        return self.service("s3")

    def service(self, name: str) -> Any:
        """A boto3 client for "s3" or "sqs" whose credentials are its own."""
        return boto3.session.Session().client(
            name,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def reset(self) -> None:
        """Make it what it was at first, whatever a test did to it."""
        self.thaw()
        self.start()
        urllib.request.urlopen(f"{self.url}/moto-api/reset", data=b"", timeout=5).close()
