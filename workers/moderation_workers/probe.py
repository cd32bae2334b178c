"""What GPUs there are: a process of its own, which takes with it all that it touched.

    python -m moderation_workers.probe [DEVICE]

Prints JSON: `null` without torch, else a list of `name`, `title` and `identity`. On DEVICE, when it
is among them, it computes something, and fails where that fails.
"""

from __future__ import annotations

import json
import sys
from typing import Any

__all__ = ["main"]


def main(asked: str = "") -> None:
    """Write what there is to stdout."""
    json.dump(_devices(asked), sys.stdout)


def _devices(asked: str) -> list[dict[str, str]] | None:
    try:
        import torch
    except ImportError:
        return None
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    found = [_about(torch.cuda.get_device_properties(n), n) for n in range(count)]
    if torch.backends.mps.is_available():
        found.append({"name": "mps", "title": "", "identity": ""})
    if any(each["name"] == asked for each in found):
        torch.zeros(1, device=asked).add_(1).item()
    return found


def _about(properties: Any, number: int) -> dict[str, str]:
    identity = str(getattr(properties, "uuid", ""))
    return {"name": f"cuda:{number}", "title": properties.name, "identity": identity}


if __name__ == "__main__":
    main(*sys.argv[1:])
