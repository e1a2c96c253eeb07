"""What a person gets to read."""

from __future__ import annotations

import functools
import re
from html import escape, unescape
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from jinja2 import UndefinedError

from email_service.preview import write_previews
from email_service.render import EMAILS, EmailKey, MissingFact, Renderer, UnknownEmail
from email_service.settings import Brand
from shared.codes import Purpose
from shared.emails import NoticeEmail, OtpEmail

BRAND = Brand(
    name="Acme & Söhne",
    color="#ffee00",
    url="https://acme.example/app",
    support_email="help@acme.example",
    password_reset_url="https://acme.example/reset?lang=en",
)
BARE = Brand(name="Gatepost", color="#2f5d50", url="", support_email="", password_reset_url="")
FACTS = {
    "code": "042917",
    "minutes": "10",
    "link_token": "some-challenge.some-mac_-",
    "when": "21 November 2026, 05:09 UTC",
    "new_address": "b***@example.org",
    "where": "2001:db8::17",
    "device": "Firefox on Linux",
}
CODES = [key for key in EMAILS if key[0] == "one-time-code"]
NOTICES = [key for key in EMAILS if key[1] is None]


# Loading all templates costs more than any test of them.
renderer = functools.cache(Renderer)


def render(email: EmailKey, brand: Brand = BRAND, facts: dict[str, str] = FACTS) -> list[str]:
    mail = renderer(brand).render(*email, facts)
    return [mail.subject, mail.text, mail.html]


def text_of(html: str) -> str:
    """What is read of a body, without style and preheader."""
    shown = re.sub(r"<div.*?</div>", "", html.partition("</head>")[2], flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", shown)))


def test_every_mail_that_is_ever_asked_for_has_a_template() -> None:
    asked: set[EmailKey] = {(email, None) for email in get_args(NoticeEmail)}
    asked |= {("one-time-code", purpose) for purpose in get_args(Purpose)}
    # Recovery tells nobody that an address is taken: for it that is the good case.
    asked |= {("address-taken", purpose) for purpose in get_args(Purpose) if purpose != "recover"}

    assert asked == set(EMAILS)
    assert set(get_args(OtpEmail)) == {"one-time-code", "address-taken", "decoy-message"}


@pytest.mark.parametrize("email", EMAILS)
def test_every_fact_of_a_mail_is_shown_in_both_bodies_and_none_in_the_subject(
    email: EmailKey,
) -> None:
    subject, text, html = render(email)

    for name in EMAILS[email]:
        assert FACTS[name] in text
        assert FACTS[name] in html
        assert FACTS[name] not in subject


@pytest.mark.parametrize("email", CODES)
def test_a_code_is_in_both_bodies_once_and_never_in_the_subject_of_a_lock_screen(
    email: EmailKey,
) -> None:
    subject, text, html = render(email)

    assert "Acme & Söhne" in subject
    assert "042917" not in subject
    assert re.search(r"^ +042917$", text, re.MULTILINE)
    assert (text.count("042917"), html.count("042917")) == (1, 1)
    for body in (text, text_of(html)):
        assert "10 minutes" in body
        assert "ignore this mail" in body
        assert "will ever ask you" in body


def test_a_reset_link_carries_its_token_in_the_fragment_where_no_server_logs_it() -> None:
    _, text, html = render(("one-time-code", "recover"))
    link = "https://acme.example/reset?lang=en#token=some-challenge.some-mac_-"

    assert f"\n    {link}\n" in text
    assert html.count(f'href="{link}"') == 1
    assert html.count("some-mac_-") == 1


def test_without_a_page_for_it_a_reset_mail_holds_the_code_alone() -> None:
    _, text, html = render(("one-time-code", "recover"), BARE)

    assert "042917" in text
    assert "042917" in html
    for body in (text, html):
        assert "some-mac" not in body
        assert "#token" not in body


@pytest.mark.parametrize("email", NOTICES)
def test_a_notice_says_when_and_what_to_do_and_asks_for_nothing(email: EmailKey) -> None:
    _, text, html = render(email)

    for body in (re.sub(r"\s+", " ", text), text_of(html)):
        assert "21 November 2026, 05:09 UTC" in body
        assert re.search("If it was not you|If you did not want this|If you want to know why", body)
        assert not re.search("click|urgent|within .* (minutes|hours)|!", body, re.IGNORECASE)


@pytest.mark.parametrize("email", EMAILS)
@pytest.mark.parametrize("brand", [BRAND, BARE], ids=["links", "no links"])
def test_both_bodies_of_a_mail_say_the_same(email: EmailKey, brand: Brand) -> None:
    _, text, html = render(email, brand)
    text = re.sub(r"https?://\S+", "", text).replace("Questions? Write to", "Questions?")
    words = [set(re.findall(r"\w+", body.lower())) for body in (text, text_of(html))]

    # In HTML a button says where in words.
    assert words[0] ^ words[1] <= {"go", "to", "set", "new", "password", "a"}


@pytest.mark.parametrize("email", EMAILS)
def test_every_mail_carries_the_brand_and_links_nowhere_else(email: EmailKey) -> None:
    subject, text, html = render(email)
    links = re.findall(r'(?:href|src)="([^"]+)"', html) + re.findall(r"https?://\S+", text)

    assert BRAND.name in subject
    assert BRAND.name in text
    assert "Acme &amp; Söhne" in html
    assert {link.split("#")[0] for link in links} <= {
        "https://acme.example/app",
        "https://acme.example/reset?lang=en",
        "mailto:help@acme.example",
    }


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


@pytest.mark.parametrize("email", EMAILS)
def test_a_mail_without_links_has_none(email: EmailKey) -> None:
    _, text, html = render(email, BARE)

    assert "href" not in html
    assert "://" not in text


@pytest.mark.parametrize("email", [email for email, facts in EMAILS.items() if facts])
@pytest.mark.parametrize("hostile", ["<img src=x>", "{{ 7*7 }}", '"><a href="//evil.tld">'])
def test_facts_are_escaped_and_never_read_as_a_template(email: EmailKey, hostile: str) -> None:
    usual = render(email)
    subject, text, html = render(email, facts={name: FACTS[name] + hostile for name in FACTS})

    assert subject == usual[0]
    assert hostile in text
    assert "<img" not in html
    assert html.count("<a ") == usual[2].count("<a ")
    assert "7*7" in html or "7*7" not in hostile
    assert escape(hostile) in html.replace("&#34;", "&quot;")


@pytest.mark.parametrize("email", ["../one-time-code", "password-changed", "decoy-message", ""])
def test_an_email_without_a_template_is_unknown(email: str) -> None:
    with pytest.raises(UnknownEmail):
        renderer(BRAND).render(email, "register", FACTS)


@pytest.mark.parametrize(
    "email", [("address-taken", "recover"), ("one-time-code", None), ("new-sign-in", "register")]
)
def test_an_email_of_another_purpose_is_unknown(email: EmailKey) -> None:
    with pytest.raises(UnknownEmail):
        renderer(BRAND).render(*email, FACTS)


def test_a_missing_fact_is_no_empty_space() -> None:
    with pytest.raises(MissingFact):
        renderer(BRAND).render("one-time-code", "register", {"minutes": "10"})
    with pytest.raises(UndefinedError):
        Renderer(BRAND, {("one-time-code", "register"): ("minutes",)})


def test_the_preview_shows_every_mail(tmp_path: Path) -> None:
    index = write_previews(BRAND, tmp_path).read_text()

    for email, purpose in EMAILS:
        name = f"{email}.{purpose}" if purpose else email
        assert f'src="{name}.html"' in index
        assert (tmp_path / f"{name}.html").exists()
