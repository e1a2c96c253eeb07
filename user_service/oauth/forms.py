"""Forms, where an RFC demands them: read by our own hands, and described in the OpenAPI file.

Litestar's own reader remembers the last 1,024 bodies as they came, passwords and all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import parse_qsl

from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    Reference,
    RequestBody,
    Schema,
)

from user_service.errors import InvalidFields
from user_service.web.exchange import AnyRequest

MEDIA_TYPE = "application/x-www-form-urlencoded"
MOST_PARAMETERS = 50

Form = dict[str, str]


async def form_of(request: AnyRequest) -> Form:
    """The parameters that have a value (RFC 6749 §3.2: the others were not sent).

    Raises InvalidFields for one that comes twice, and for what is no form.
    """
    try:
        text = (await request.body()).decode()
        pairs = parse_qsl(text, True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise InvalidFields(body="The body is a form of at most 50 parameters in UTF-8.") from None
    form = dict(pairs)
    if len(form) < len(pairs):
        raise InvalidFields(body="A parameter is sent more than once.")
    return {name: value for name, value in form.items() if value}


def parameter(form: Form, name: str, most: int) -> str:
    """A parameter that must be there; raises InvalidFields."""
    value = form.get(name)
    if value is None or len(value) > most:
        raise InvalidFields(**{name: f"{name} is required, with at most {most} characters."})
    return value


@dataclass
class FormOperation(Operation):
    """An operation whose body is a form; `required` and `optional` tell what parameters mean."""

    required: ClassVar[dict[str, str]]
    optional: ClassVar[dict[str, str]]

    def __post_init__(self) -> None:
        properties: dict[str, Reference | Schema] = {
            name: Schema(type=OpenAPIType.STRING, description=meant)
            for name, meant in (self.required | self.optional).items()
        }
        schema = Schema(type=OpenAPIType.OBJECT, properties=properties, required=[*self.required])
        self.request_body = RequestBody({MEDIA_TYPE: OpenAPIMediaType(schema)}, required=True)
