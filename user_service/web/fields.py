"""What a request's fields may look like; flows know what they may mean."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Name = Annotated[str, Meta(min_length=1, max_length=200, examples=["Ann Example"])]
Email = Annotated[str, Meta(min_length=3, max_length=254, examples=["ann@example.org"])]
Password = Annotated[str, Meta(min_length=1, max_length=256, examples=["plum kettle orbit"])]
Otp = Annotated[str, Meta(pattern="^[0-9]{6}$", min_length=6, max_length=6)]
ChallengeId = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{32}$", max_length=32)]
Username = Annotated[str, Meta(min_length=3, max_length=32, examples=["ann"])]
