"""What a request's fields may look like; flows know what they may mean."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Email = Annotated[str, Meta(min_length=3, max_length=254, examples=["ann@example.org"])]
Password = Annotated[str, Meta(min_length=1, max_length=256, examples=["plum kettle orbit"])]
Username = Annotated[str, Meta(min_length=3, max_length=32, examples=["ann"])]
