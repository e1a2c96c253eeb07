"""Spellings of one address are one account or a refusal, and never two accounts.

Django CVE-2019-19844: a case mapping sent one person's mail to another's address.
"""

from __future__ import annotations

import secrets

import httpx
import pytest

from tests.corner import Corner
from tests.mailroom import Mailroom
from tests.people import (
    Person,
    ask_to_register,
    fresh_address,
    fresh_network,
    log_in,
    member,
    outcome,
    register,
    verify,
    wrong,
)
from tests.service_process import ServiceProcess

pytestmark = pytest.mark.anyio

# (plain, another spelling): {n} makes both fresh.
SAME = {
    "capital letters": ("mike{n}@example.org", "MIKE{n}@example.org"),
    "one capital letter": ("mike{n}@example.org", "Mike{n}@example.org"),
    "capital domain": ("mike{n}@example.org", "mike{n}@EXAMPLE.ORG"),
    "capital everything": ("mike+a{n}@example.org", "MIKE+A{n}@Example.Org"),
    "IDN and punycode": ("mike{n}@xn--bcher-kva.example.org", "mike{n}@bücher.example.org"),
    "capital IDN": ("mike{n}@bücher.example.org", "mike{n}@BÜCHER.example.org"),
    "decomposed IDN": ("mike{n}@b\u00fccher.example.org", "mike{n}@bu\u0308cher.example.org"),
    "capital punycode": ("mike{n}@bücher.example.org", "mike{n}@XN--BCHER-KVA.example.org"),
    "Cyrillic IDN": ("mike{n}@пример.example.org", "mike{n}@ПРИМЕР.example.org"),
    "Kelvin sign in the domain": ("mike{n}@kelvin.example.org", "mike{n}@\u212aelvin.example.org"),
    "long s in the domain": ("mike{n}@same.example.org", "mike{n}@\u017fame.example.org"),
    "ligature in the domain": ("mike{n}@office.example.org", "mike{n}@o\ufb03ce.example.org"),
    "full-width domain": ("mike{n}@example.org", "mike{n}@ｅｘａｍｐｌｅ.org"),
    "ideographic full stop": ("mike{n}@example.org", "mike{n}@example\u3002org"),
}
REFUSED = {
    "dotless i": ("mike{n}@example.org", "m\u0131ke{n}@example.org"),
    "dotted capital i": ("mike{n}@example.org", "M\u0130KE{n}@example.org"),
    "combining dot above": ("mike{n}@example.org", "mi\u0307ke{n}@example.org"),
    "Kelvin sign": ("mike{n}@example.org", "mi\u212ae{n}@example.org"),
    "long s": ("sam{n}@example.org", "\u017fam{n}@example.org"),
    "fi ligature": ("fin{n}@example.org", "\ufb01n{n}@example.org"),
    "full-width letters": ("mike{n}@example.org", "ｍike{n}@example.org"),
    "superscript": ("mike2{n}@example.org", "mike\u00b2{n}@example.org"),
    "Cyrillic letter": ("mike{n}@example.org", "mik\u0435{n}@example.org"),
    "composed accent": ("jose{n}@example.org", "jos\u00e9{n}@example.org"),
    "decomposed accent": ("jose{n}@example.org", "jose\u0301{n}@example.org"),
    "zero-width space": ("mike{n}@example.org", "mi\u200bke{n}@example.org"),
    "zero-width joiner": ("mike{n}@example.org", "mi\u200dke{n}@example.org"),
    "byte order mark": ("mike{n}@example.org", "\ufeffmike{n}@example.org"),
    "right-to-left override": ("mike{n}@example.org", "\u202emike{n}@example.org"),
    "soft hyphen": ("mike{n}@example.org", "mi\u00adke{n}@example.org"),
    "trailing dot": ("mike{n}@example.org", "mike{n}@example.org."),
    "trailing ideographic full stop": ("mike{n}@example.org", "mike{n}@example.org\u3002"),
    "dot before the @": ("mike{n}@example.org", "mike{n}.@example.org"),
    "two dots": ("mike{n}@example.org", "mike..{n}@example.org"),
    "leading tab": ("mike{n}@example.org", "\tmike{n}@example.org"),
    "inner tab": ("mike{n}@example.org", "mike{n}\t@example.org"),
    "surrounding blanks": ("mike{n}@example.org", " mike{n}@example.org "),
    "no-break space": ("mike{n}@example.org", "mike{n}@example.org\u00a0"),
    "trailing newline": ("mike{n}@example.org", "mike{n}@example.org\n"),
    "CRLF and a header": ("mike{n}@example.org", "mike{n}@example.org\r\nBcc: eve@example.org"),
    "CRLF inside": ("mike{n}@example.org", "mike{n}\r\n@example.org"),
    "NUL": ("mike{n}@example.org", "mike{n}\x00@example.org"),
    "quoted local part": ("mike{n}@example.org", '"mike{n}"@example.org'),
    "quoted with a blank": ("mike{n}@example.org", '"mi ke{n}"@example.org'),
    "comment": ("mike{n}@example.org", "mike{n}(me)@example.org"),
    "display name": ("mike{n}@example.org", "Mike <mike{n}@example.org>"),
    "two addresses": ("mike{n}@example.org", "mike{n}@example.org,eve@example.org"),
    "IP literal": ("mike{n}@example.org", "mike{n}@[127.0.0.1]"),
    "IPv6 literal": ("mike{n}@example.org", "mike{n}@[IPv6:::1]"),
    "two at signs": ("mike{n}@example.org", "mike{n}@@example.org"),
    "full-width at sign": ("mike{n}@example.org", "mike{n}＠example.org"),
    "source route": ("mike{n}@example.org", "@example.org:mike{n}@example.org"),
    "bang path": ("mike{n}@example.org", "mike{n}@exam!ple.org"),
    "zero-width non-joiner in the domain": ("mike{n}@example.org", "mike{n}@exam\u200cple.org"),
    "soft hyphen in the domain": ("mike{n}@example.org", "mike{n}@exam\u00adple.org"),
    "zero-width space in the domain": ("mike{n}@example.org", "mike{n}@exam\u200bple.org"),
    "65 characters": ("mike{n}@example.org", "m" * 55 + "{n}@example.org"),
}


def spelled(pair: tuple[str, str]) -> tuple[str, str]:
    number = secrets.token_hex(5)
    plain, other = (text.replace("{n}", number) for text in pair)
    return plain, other


def names_the_email(answer: httpx.Response) -> bool:
    """Whether an answer refuses the field `email`, and nothing else."""
    if answer.status_code != 400:
        return False
    body = answer.json()
    fields = [error["field"] for error in body["errors"]]
    return (body["code"], fields) == ("invalid_request", ["email"])


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
async def test_spellings_of_one_address_reach_one_account_and_its_stored_address(
    service: ServiceProcess, mailroom: Mailroom, corner: Corner, pair: tuple[str, str]
) -> None:
    plain, other = spelled(pair)
    owner = Person(email=plain)
    stranger = Person(email=other, password="velvet anchor ninety")
    async with service.client() as client:
        first = await register(client, owner)
        stored = mailroom.about(first).address
        # The spelling of one step may differ from the next one's.
        owner.email = other
        assert (await verify(client, owner, first, mailroom.code(first))).status_code == 201

        second = await register(client, stranger)
        event = mailroom.about(second)
        assert (event.address, event.email) == (stored, "address-taken")
        code = mailroom.code(second)
        assert outcome(await verify(client, stranger, second, code)) == (400, "wrong_code")

        answers = []
        for owner.email in (plain, other):
            answers.append(await log_in(client, owner))
        users = [answer.json()["data"]["user"] for answer in answers]
        assert users == [users[0]] * 2
        assert users[0]["email"] == stored == stored.lower()
        assert stored.isascii()
        assert (await log_in(client, stranger)).status_code == 401
    rows = await corner.fetch("SELECT FROM accounts WHERE email = $1", stored)
    assert len(rows) == 1


@pytest.mark.parametrize("pair", REFUSED.values(), ids=REFUSED)
async def test_doubtful_spellings_are_refused_by_name_wherever_an_address_is_given(
    service: ServiceProcess, mailroom: Mailroom, pair: tuple[str, str]
) -> None:
    plain, other = spelled(pair)
    owner = Person(email=plain)
    async with service.client() as client:
        id = await register(client, owner)
        code = mailroom.code(id)
        doubtful = Person(email=other, network=owner.network)
        answers = [
            await ask_to_register(client, doubtful),
            await verify(client, doubtful, id, code),
            await log_in(client, doubtful),
        ]
        for answer in answers:
            assert names_the_email(answer), answer.text
        # None of it cost the owner anything.
        assert (await verify(client, owner, id, code)).status_code == 201


def spellings(plain: str) -> list[str]:
    return [plain.upper(), plain.title(), plain, plain.capitalize(), plain.upper()]


async def test_guesses_of_all_spellings_count_together(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = Person(email=fresh_address())
    plain = person.email
    async with service.client() as client:
        id = await register(client, person)
        code = mailroom.code(id)
        for person.email in (
            plain.upper(),
            plain.title(),
            plain,
            plain.capitalize(),
            plain.upper(),
        ):
            answer = await verify(client, person, id, wrong(code))
            assert outcome(answer) == (400, "wrong_code")
        person.email = plain.swapcase()
        assert outcome(await verify(client, person, id, code)) == (429, "guesses_spent")


async def test_mails_to_all_spellings_count_together(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = Person(email=f"mike-{secrets.token_hex(5)}@xn--bcher-kva.example.org")
    plain = person.email
    idn = plain.replace("xn--bcher-kva", "Bücher")
    async with service.client() as client:
        for person.email in (plain, idn, plain.upper()):
            person.network = fresh_network()
            assert (await ask_to_register(client, person)).status_code == 202
        for person.email in (plain, idn, plain.upper(), idn.upper()):
            person.network = fresh_network()
            assert outcome(await ask_to_register(client, person)) == (429, "too_many_requests")
    assert len(mailroom.all_to(plain)) == 3


async def test_wrong_passwords_of_all_spellings_count_together(
    service: ServiceProcess, mailroom: Mailroom
) -> None:
    person = await member(service, mailroom)
    plain = person.email
    right = person.password
    async with service.client() as client:
        person.password = "velvet anchor ninety"
        for person.email in (
            plain.upper(),
            plain.title(),
            plain,
            plain.capitalize(),
            plain.upper(),
        ):
            assert outcome(await log_in(client, person)) == (401, "wrong_credentials")
        person.email, person.password = plain.swapcase(), right
        assert outcome(await log_in(client, person)) == (429, "too_many_requests")
