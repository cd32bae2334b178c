"""`moderation serve`: the page that people work on, and the HTTP API."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

import click
import structlog

from moderation import logs
from moderation.cli import INTERRUPTED
from moderation.cli.browser import opened
from moderation.cli.console import note
from moderation.config import Settings
from moderation.errors import AccessDenied, ConfigurationError, ModerationError
from moderation.keeper import Keeper
from moderation.person import Role, local_person
from moderation.webhook_delivery import Sender

if TYPE_CHECKING:
    from moderation.web import Installation

__all__ = ["serve"]

log = structlog.get_logger(__name__)

_EXTRA: Final = ("fastapi", "python_multipart", "uvicorn")
"""What `moderation[web]` brings."""

_SENDING_ENDS_S: Final = 3.0
"""For events that are being sent when the server ends; what is cut off is sent once more."""


@click.command()
@click.option("--host", help="Address to listen on.  [default: the setting]")
@click.option("--port", type=click.IntRange(0, 65_535), help="0: any that is free.")
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")
@click.option(
    "--log-level",
    type=click.Choice(("debug", "info", "warning", "error"), case_sensitive=False),
    default="info",
    show_default=True,
)
def serve(host: str | None, port: int | None, opens: bool, log_level: str) -> None:
    """Serve the reviewers' page and the HTTP API until told to stop.

    With SQLite for this machine alone: prints a link that signs in whoever runs it. For a team with
    PostgreSQL, behind something that speaks TLS.
    """
    settings = _settings(host, port)
    _check(settings)
    from moderation.web import Installation, create_app
    from moderation.web.server import Server, listen

    with ExitStack() as stack:
        listener = stack.enter_context(listen(settings.web))
        here = stack.enter_context(Installation.open(settings))
        url = settings.web.public_url or _url(*listener.getsockname()[:2])
        _greet(here, url, opens, stack)
        logs.set_up(logging.getLevelNamesMapping()[log_level.upper()], settings)
        sending = stack.enter_context(_beside(here))
        server = Server(create_app(here), here)
        server.run([listener])
    well = server.ended_by == signal.SIGTERM  # with which supervisors end what they started
    if sending.is_alive():
        _cut_off(0 if well else INTERRUPTED)
    if not well:
        raise KeyboardInterrupt


def _settings(host: str | None, port: int | None) -> Settings:
    settings = Settings.read()
    given: dict[str, Any] = {"host": host, "port": port}
    given = {name: value for name, value in given.items() if value is not None}
    return settings.model_copy(update={"web": settings.web.model_copy(update=given)})


def _check(settings: Settings) -> None:
    """Raises `ConfigurationError` for what cannot be served, and warns of what should not."""
    missing = [name for name in _EXTRA if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"the page needs {', '.join(missing)}, which is not installed",
            hint="pip install 'moderation[web]'",
        )
    web = settings.web
    if _is_loopback(web.host):
        return
    if _is_embedded(settings):
        raise ConfigurationError(
            f"SQLite serves this machine alone, and {web.host} is reached from others",
            hint="name a PostgreSQL database in the setting `database`, or leave out --host",
        )
    seen = urlsplit(web.public_url)
    if seen.scheme != "https" and not _is_loopback(seen.hostname or web.host):
        note(
            "warning: what people see and their sessions cross the network in clear: put a proxy "
            "in front that speaks TLS, and set web.public_url to https://..."
        )


def _greet(here: Installation, url: str, opens: bool, stack: ExitStack) -> None:
    """Tell where it is, and how to sign in."""
    code = _code(here) if _is_embedded(here.settings) else ""
    click.echo(f"serving {url}")
    link = f"{url}/sign-in#code={code}" if code else url
    if code:
        click.echo(f"sign in, once and within 10 minutes: {link}")
        click.echo(f"or paste this as the token: {code}")
    sys.stdout.flush()
    if opens and not stack.enter_context(opened(link)):
        note("no browser was found: open the address yourself")


def _code(here: Installation) -> str:
    """Opens a session of whoever runs this, as an admin unless they are something else already."""
    me = local_person()
    try:
        name = here.people.vouched(me.name).name
    except AccessDenied:
        try:
            name = here.people.add(me.name, Role.ADMIN, by=me).name
        except ConfigurationError as error:
            note(f"no link to sign in: {error}")
            return ""
    return here.codes.issue(name)


@contextmanager
def _beside(here: Installation) -> Iterator[threading.Thread]:
    """Sends webhooks meanwhile; with SQLite, where there may be no worker, keeps retention too."""
    over = threading.Event()
    sending = threading.Thread(target=_send, args=(here, over), name="webhooks", daemon=True)
    keeper = Keeper(here.settings, here.store) if _is_embedded(here.settings) else None
    sending.start()
    if keeper is not None:
        keeper.start()
    try:
        yield sending
    finally:
        over.set()
        if keeper is not None:
            keeper.stop()
        sending.join(_SENDING_ENDS_S)


def _send(here: Installation, over: threading.Event) -> None:
    try:
        Sender(here.store, here.settings.webhooks).run(over)
    except ModerationError as error:
        log.error("no webhooks are sent any more", error=str(error))


def _cut_off(code: int) -> NoReturn:
    """End though an event is being sent: Python would wait for a receiver that takes its time."""
    log.warning("an event was being sent to a webhook: it is sent once more by the next server")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _is_embedded(settings: Settings) -> bool:
    return settings.database_url.startswith("sqlite")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
