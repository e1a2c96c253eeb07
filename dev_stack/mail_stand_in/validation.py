"""What SendGrid demands of the body of `POST /v3/mail/send`, field by field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dev_stack.mail_stand_in.refusals import HELP, Refusal

ADDRESS = re.compile(r"[!#-'*+\-/-9=?A-Z^-~.]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?", re.I)
MOST_PERSONALIZATIONS = 1000
MOST_CUSTOM_ARGS_BYTES = 10_000


def problems(message: Any) -> list[Refusal]:
    """Every rule that a decoded body breaks, in SendGrid's order; an empty list is a good body."""
    if not isinstance(message, dict):
        return [Refusal("Bad Request")]
    return [
        *_personalizations(message.get("personalizations")),
        *_sender(message.get("from")),
        *_subject(message),
        *_content(message),
        *_custom_args(message.get("custom_args"), "custom_args"),
    ]


def _personalizations(value: Any) -> Iterator[Refusal]:
    if not isinstance(value, list) or not value:
        yield Refusal(
            "The personalizations field is required and must have at least one personalization.",
            "personalizations",
            f"{HELP}-Personalizations-Errors",
        )
        return
    if len(value) > MOST_PERSONALIZATIONS:
        yield Refusal(
            "The personalizations field may not have more than 1000 personalizations.",
            "personalizations",
            f"{HELP}-Personalizations-Errors",
        )
    for index, personalization in enumerate(value):
        field = f"personalizations.{index}"
        recipients = personalization.get("to") if isinstance(personalization, dict) else None
        yield from _recipients(recipients, field)
        if isinstance(personalization, dict):
            yield from _custom_args(personalization.get("custom_args"), f"{field}.custom_args")


def _recipients(value: Any, field: str) -> Iterator[Refusal]:
    if not isinstance(value, list) or not value:
        yield Refusal(
            "The to array is required for all personalization objects, and must have at least one "
            "email object with a valid email address.",
            f"{field}.to",
            f"{HELP}message.personalizations.to",
        )
        return
    seen = set()
    for index, recipient in enumerate(value):
        if not _names_address(recipient):
            yield Refusal(
                "Does not contain a valid address.",
                f"{field}.to.{index}.email",
                f"{HELP}message.personalizations.to",
            )
        elif (address := recipient["email"].lower()) in seen:
            yield Refusal(
                "Each email address in the personalization block should be unique between to, cc, "
                f"and bcc. We found the first duplicate instance of [{address}] in the "
                f"{field}.to field.",
                field,
                f"{HELP}message.recipient-errors",
            )
        else:
            seen.add(address)


def _sender(value: Any) -> Iterator[Refusal]:
    if not isinstance(value, dict) or "email" not in value:
        yield Refusal(
            "The from object must be provided for every email send. It is an object that requires "
            "the email parameter, but may also contain a name parameter.",
            "from.email",
            f"{HELP}message.from",
        )
    elif not _names_address(value):
        yield Refusal(
            "The from email does not contain a valid address.", "from.email", f"{HELP}message.from"
        )


def _subject(message: dict[str, Any]) -> Iterator[Refusal]:
    personalizations = message.get("personalizations")
    everyone_has_one = isinstance(personalizations, list) and all(
        isinstance(each, dict) and each.get("subject") for each in personalizations
    )
    given = isinstance(message.get("subject"), str) and message["subject"]
    if not (given or everyone_has_one or message.get("template_id")):
        yield Refusal(
            "The subject is required. You can get around this requirement if you use a template "
            "with a subject defined or if every personalization has a subject defined.",
            "subject",
            f"{HELP}message.subject",
        )


def _content(message: dict[str, Any]) -> Iterator[Refusal]:
    content = message.get("content")
    help_address = f"{HELP}message.content"
    if not isinstance(content, list) or not content:
        if not message.get("template_id"):
            yield Refusal(
                "Unless a valid template_id is provided, the content parameter is required. There "
                "must be at least one defined content block. We typically suggest both text/plain "
                "and text/html blocks are included, but only one block is required.",
                "content",
                help_address,
            )
        return
    for index, part in enumerate(content):
        for name in ("type", "value"):
            if not (isinstance(part, dict) and isinstance(part.get(name), str) and part[name]):
                yield Refusal(
                    f"The content {name} must be a string at least one character in length.",
                    f"content.{index}.{name}",
                    f"{help_address}.{name}",
                )
    types = [part.get("type") for part in content if isinstance(part, dict)]
    if "text/plain" in types and types[0] != "text/plain":
        yield Refusal(
            "If present, text/plain must be the first content block, followed by text/html.",
            "content",
            help_address,
        )


def _custom_args(value: Any, field: str) -> Iterator[Refusal]:
    if value is None:
        return
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        yield Refusal(
            "The custom_args must be an object of strings.", field, f"{HELP}message.custom_args"
        )
    elif sum(len(name) + len(each) for name, each in value.items()) > MOST_CUSTOM_ARGS_BYTES:
        yield Refusal(
            "The overall size of custom args may not exceed 10,000 bytes.",
            field,
            f"{HELP}message.custom_args",
        )


def _names_address(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("email"), str)
        and ADDRESS.fullmatch(value["email"]) is not None
        and "." in value["email"].rpartition("@")[2]
    )
