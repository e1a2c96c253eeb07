"""What a person gets to read."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from jinja2 import UndefinedError

from email_service.preview import write_previews
from email_service.render import EMAILS, EmailKey, MissingFact, Renderer, UnknownEmail
from email_service.settings import Brand
from shared.codes import Purpose

BRAND = Brand(
    name="Acme & Söhne",
    color="#ffee00",
    url="https://acme.example/app",
    support_email="help@acme.example",
)
FACTS = {"code": "042917", "minutes": "10"}


def render(email: EmailKey, brand: Brand = BRAND, facts: dict[str, str] = FACTS) -> list[str]:
    mail = Renderer(brand).render(*email, facts)
    return [mail.subject, mail.text, mail.html]


def test_the_code_is_in_both_bodies_and_never_in_the_subject_of_a_lock_screen() -> None:
    subject, text, html = render(("one-time-code", "register"))

    assert subject == "Your Acme & Söhne verification code"
    assert re.search(r"^ +042917$", text, re.MULTILINE)
    assert html.count("042917") == 1
    assert "10 minutes" in text
    assert "10 minutes" in html
    assert "If you did not sign up" in text


@pytest.mark.parametrize("email", EMAILS)
def test_every_mail_carries_the_brand_and_links_nowhere_else(email: EmailKey) -> None:
    subject, text, html = render(email)
    links = re.findall(r'(?:href|src)="([^"]+)"', html) + re.findall(r"https?://\S+", text)

    assert BRAND.name in subject
    assert BRAND.name in text
    assert "Acme &amp; Söhne" in html
    assert set(links) <= {"https://acme.example/app", "mailto:help@acme.example"}


@pytest.mark.parametrize("email", EMAILS)
def test_every_mail_is_laid_out_for_old_clients_phones_and_the_dark(email: EmailKey) -> None:
    _, _, html = render(email)

    assert "background-color: #ffee00" in html.split("</head>")[1]
    assert "class=" in html
    assert "@media (prefers-color-scheme: dark)" in html
    assert "@media (max-width" in html
    assert 'name="color-scheme" content="light dark"' in html
    assert "<script" not in html
    assert "{{" not in html


def test_text_on_a_pale_brand_color_is_dark() -> None:
    dark = msgspec.structs.replace(BRAND, color="#123456")

    assert BRAND.text_on_color == "#14171f"
    assert dark.text_on_color == "#ffffff"


def test_a_mail_without_links_has_none() -> None:
    bare = Brand(name="Gatepost", color="#2f5d50", url="", support_email="")
    _, text, html = render(("address-taken", "register"), bare)

    assert "href" not in html
    assert "://" not in text


@pytest.mark.parametrize("hostile", ["<img src=x>", "{{ 7*7 }}", '"><a href="//evil.tld">'])
def test_facts_are_escaped_and_never_read_as_a_template(hostile: str) -> None:
    subject, _, html = render(("one-time-code", "register"), facts=FACTS | {"code": hostile})

    assert hostile not in subject
    assert "<img" not in html
    assert "<a href" not in html
    assert "49" not in re.sub(r"#\w+|\d+px", "", html.split("code-box")[1])


@pytest.mark.parametrize("email", ["../one-time-code", "password-changed", ""])
def test_an_email_without_a_template_is_unknown(email: str) -> None:
    with pytest.raises(UnknownEmail):
        Renderer(BRAND).render(email, "register", FACTS)


@pytest.mark.parametrize("purpose", ["recover", None])
def test_an_email_of_another_purpose_is_unknown(purpose: Purpose | None) -> None:
    with pytest.raises(UnknownEmail):
        Renderer(BRAND).render("one-time-code", purpose, FACTS)


def test_a_missing_fact_is_no_empty_space() -> None:
    with pytest.raises(MissingFact):
        Renderer(BRAND).render("one-time-code", "register", {"minutes": "10"})
    with pytest.raises(UndefinedError):
        Renderer(BRAND, {("one-time-code", "register"): ("minutes",)})


def test_the_preview_shows_every_mail(tmp_path: Path) -> None:
    index = write_previews(BRAND, tmp_path).read_text()

    for email, purpose in EMAILS:
        assert f'src="{email}.{purpose}.html"' in index
        assert (tmp_path / f"{email}.{purpose}.html").exists()
