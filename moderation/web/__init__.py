"""The reviewers' page and the HTTP API: `moderation serve`."""

from moderation.web.app import create_app
from moderation.web.installation import Installation

__all__ = ["Installation", "create_app"]
