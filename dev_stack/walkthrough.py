"""One registration through to a profile, a refresh and a logout, printed request by request."""

from __future__ import annotations

import json
import secrets
from typing import Any

import aiohttp
from rich.console import Console
from rich.syntax import Syntax

from dev_stack.api_client import Answer, ApiClient

# ValueError: an answer that is not JSON.
NO_ANSWER = (aiohttp.ClientError, TimeoutError, ValueError)
WELL = {"up", "applied"}


class WalkthroughFailed(Exception):
    """A step was not answered as the contract says; the message holds what was, and the health."""


async def walk(base_url: str, mailbox_url: str, console: Console) -> None:
    """Register, read the code from the mailbox, verify, log in, read the profile, log out."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        client = ApiClient(http, base_url, mailbox_url)
        try:
            await _walk(client, console)
        except (WalkthroughFailed, *NO_ANSWER) as failure:
            problem = str(failure) or "no answer within 30 s"
            raise WalkthroughFailed(f"{problem}\n{await _health(client)}") from failure


async def _walk(client: ApiClient, console: Console) -> None:
    email = f"ada.{secrets.token_hex(4)}@example.org"
    password = f"counting stars {secrets.token_hex(4)}"

    person = {"name": "Ada Lovelace", "email": email, "password": password}
    registered = await client.call("POST", "/api/auth/register", person)
    _show(console, "1. Register", registered, expected=202)

    with console.status("Waiting for the mail …"):
        code = await _code(client, email)
    console.print(f"\n[bold]2. Read the mail[/] in the mailbox: its code is [bold green]{code}[/]")

    proof = {
        "email": email,
        "otp": code,
        "registration_id": registered.data["registration_id"],
    }
    verified = await client.call("POST", "/api/auth/verify-otp", proof)
    _show(console, "3. Prove the address", verified, expected=201)

    credentials = {"email": email, "password": password}
    logged_in = await client.call("POST", "/api/auth/login", credentials)
    _show(console, "4. Log in", logged_in, expected=200)

    profile = await client.call("GET", "/api/auth/profile", token=logged_in.data["token"])
    _show(console, "5. Read the profile with the token", profile, expected=200)

    live = {"refresh_token": logged_in.data["refresh_token"]}
    refreshed = await client.call("POST", "/api/auth/refresh", live)
    _show(console, "6. Refresh the session", refreshed, expected=200)

    token = refreshed.data["token"]
    logged_out = await client.call("POST", "/api/auth/logout", token=token)
    _show(console, "7. Log out", logged_out, expected=200)

    dead = await client.call("GET", "/api/auth/profile", token=token)
    _show(console, "8. The token is dead at once", dead, expected=401)


async def _health(client: ApiClient) -> str:
    try:
        parts = (await client.call("GET", "/health")).body["parts"]
    except (*NO_ANSWER, KeyError):
        return "The user service does not tell its health either."
    unwell = [f"{part} is {state}" for part, state in parts.items() if state not in WELL]
    return f"Not well: {', '.join(unwell)}." if unwell else "The user service finds its parts well."


async def _code(client: ApiClient, email: str) -> str:
    code = await client.code(email, within=20)
    if code is None:
        raise WalkthroughFailed(f"no mail with a code came to {email} within 20 s")
    return code


def _show(console: Console, title: str, answer: Answer, *, expected: int) -> None:
    console.print(f"\n[bold]{title}[/]")
    console.print(f"   {answer.method} {answer.path}", highlight=False)
    if answer.sent:
        console.print(_indented(answer.sent))
    color = "green" if answer.status == expected else "red"
    took = f"{answer.seconds * 1000:.0f} ms"
    console.print(f"   [bold {color}]{answer.status}[/] [dim]in {took}[/]", highlight=False)
    console.print(_indented(answer.body))
    if answer.status != expected:
        raise WalkthroughFailed(f"{answer.path} answered {answer.problem}")


def _indented(value: dict[str, Any]) -> Syntax:
    text = json.dumps(_shortened(value), indent=2, ensure_ascii=False)
    return Syntax(
        text, "json", theme="ansi_dark", background_color="default", word_wrap=True, padding=(0, 3)
    )


def _shortened(value: dict[str, Any]) -> dict[str, Any]:
    """A token is a page of letters that nobody reads."""
    return {
        name: _shortened(each)
        if isinstance(each, dict)
        else f"{each[:24]}…"
        if name in ("token", "refresh_token")
        else each
        for name, each in value.items()
    }
