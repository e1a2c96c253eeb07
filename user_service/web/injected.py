"""What a handler is given besides the request: `flow: Injected[Registration]`."""

from __future__ import annotations

from typing import Annotated, TypeVar

from litestar.params import Dependency

T = TypeVar("T")

# Ours, so not validated: validation would rebuild every flow at every request.
Injected = Annotated[T, Dependency(skip_validation=True)]
