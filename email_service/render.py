"""From a template folder to a mail's subject, text and HTML.

Each file is rendered twice. Once at start, with the brand: layout, colours and inlined CSS never
change after that. Then for each mail, with its facts alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from css_inline import CSSInliner
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from msgspec import Struct

from email_service.settings import Brand
from shared.codes import Purpose

TEMPLATES = Path(__file__).parent / "templates"

EmailKey = tuple[str, Purpose | None]

# Every mail that can be asked for, with the facts that its templates take. A key with a purpose
# has its folder below that of the email.
EMAILS: dict[EmailKey, tuple[str, ...]] = {
    ("one-time-code", "register"): ("code", "minutes"),
    ("one-time-code", "recover"): ("code", "minutes", "link_token"),
    ("one-time-code", "change-email"): ("code", "minutes"),
    ("address-taken", "register"): (),
    ("address-taken", "change-email"): (),
    ("account-deleted", None): ("when",),
    ("email-changed", None): ("when", "new_address"),
    ("new-sign-in", None): ("when", "where", "device"),
    ("password-changed", None): ("when",),
    ("password-reset-required", None): ("when",),
}


class UnknownEmail(LookupError):
    """There is no template for what was asked: our templates are older than the event."""


class MissingFact(LookupError):
    """The event does not carry what its template needs."""


class Rendered(Struct, frozen=True):
    subject: str
    text: str
    html: str


class EmailTemplate(Struct, frozen=True):
    facts: tuple[str, ...]
    subject: Template
    text: Template
    html: Template


class Renderer:
    def __init__(self, brand: Brand, emails: Mapping[EmailKey, tuple[str, ...]] = EMAILS) -> None:
        loader = FileSystemLoader(TEMPLATES)
        # Plain text has nothing to escape.
        self._plain = Environment(  # noqa: S701
            loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._html = Environment(loader=loader, undefined=StrictUndefined, autoescape=True)
        # The phone and dark-mode rules cannot be inlined: they stay in the head.
        self._inliner = CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)
        self._brand = brand
        self._emails = {key: self._load(key, facts) for key, facts in emails.items()}

    def render(self, email: str, purpose: Purpose | None, facts: Mapping[str, str]) -> Rendered:
        """The mail `email` of `purpose`; raises UnknownEmail, MissingFact."""
        template = self._emails.get((email, purpose))
        if template is None:
            raise UnknownEmail(f"{email} for {purpose}" if purpose else email)
        try:
            wanted = {name: facts[name] for name in template.facts}
        except KeyError as missing:
            raise MissingFact(f"{email} needs {missing}") from None
        return Rendered(
            subject=template.subject.render(wanted),
            text=template.text.render(wanted),
            html=template.html.render(wanted),
        )

    def _load(self, key: EmailKey, facts: tuple[str, ...]) -> EmailTemplate:
        folder = "/".join(part for part in key if part)
        # In the first rendering each fact stands for itself, to be filled in the second.
        known = {name: Markup(f"{{{{ {name} }}}}") for name in facts}  # noqa: S704
        context = {"brand": self._brand, **known}
        subject = self._plain.get_template(f"{folder}/subject.txt").render(context)
        text = self._plain.get_template(f"{folder}/body.txt").render(context)
        html = self._html.get_template(f"{folder}/body.html").render(context, subject=subject)
        return EmailTemplate(
            facts=facts,
            subject=self._plain.from_string(subject.strip()),
            text=self._plain.from_string(text),
            html=self._html.from_string(self._inliner.inline(html)),
        )
