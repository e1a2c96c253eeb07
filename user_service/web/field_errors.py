"""What is wrong with a body's fields, in words for the person who wrote the client."""

from __future__ import annotations

import re

from litestar.exceptions import ValidationException

# msgspec's sentence, whose groups are the field (where it names one) and a figure.
SENTENCES = (
    (r"Object missing required field `(?P<field>[^`]*)`", "This field is required."),
    (r"Object contains unknown field `(?P<field>[^`]*)`", "There is no such field."),
    (r"Expected `str` of length >= (?P<figure>\d+)", "Must have at least {} characters."),
    (r"Expected `str` of length <= (?P<figure>\d+)", "Must have at most {} characters."),
    (r"Expected `str` matching", "Does not have the form that the API's description gives."),
    (r"Expected `str(?: \| null)?`, got", "Must be text."),
    (r"Expected `object`, got|'data'", "The body must be a JSON object."),
)
PATTERNS = tuple((re.compile(pattern), sentence) for pattern, sentence in SENTENCES)
WHOLE_BODY = "body"


def field_errors(exception: ValidationException) -> dict[str, str]:
    """A sentence for each field that was judged; decoding stops at the first bad one."""
    errors = {}
    for error in exception.extra or ():
        message = error["message"] if isinstance(error, dict) else str(error)
        key = error.get("key", "data") if isinstance(error, dict) else "data"
        field, sentence = _worded(str(message))
        errors[field or (WHOLE_BODY if key == "data" else key)] = sentence
    return errors


def _worded(message: str) -> tuple[str | None, str]:
    for pattern, sentence in PATTERNS:
        if match := pattern.match(message):
            groups = match.groupdict()
            return groups.get("field"), sentence.format(groups.get("figure"))
    return None, message
