"""Made-up people with the input of real ones: many scripts, tagged addresses, pass-phrases."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import islice

import idna

LONGEST_LOCAL_PART = 64

NAMES = (
    "Ada Lovelace", "Søren Ångström", "Zoë Brontë-O’Neill", "José María Ñúñez", "Łukasz Żółć",
    "Đặng Thị Ánh", "Владимир Щукин", "Олександра Їжак", "Ελένη Παπαδοπούλου", "გიორგი ბერიძე",
    "Արամ Խաչատրյան", "מרים כהן", "محمد الأحمد", "فاطمه رضایی", "آیشہ بیگم", "प्रिया शर्मा",
    "রবীন্দ্রনাথ ঠাকুর", "தமிழ்ச்செல்வன்", "ສົມໄຊ ວົງສາ", "สมชาย ใจดี", "ရွှေ မြင့်", "王小明",
    "歐陽 詠晴", "山田 太郎", "さくら", "김하늘", "ተስፋዬ በቀለ", "ᓄᓇᕗᑦ", "Nguyễn Văn A", "X Æ A-12",
    "Wolfeschlegelsteinhausenbergerdorff", "Madonna",
)  # fmt: skip
DOMAINS = (
    "example.org", "mail.example.com", "bücher.example.org", "пошта.example.org",
    "例え.example.com", "δοκιμή.example.net", "메일.example.org", "straße.example.org",
    "a-very-long-subdomain-of-a-university-department.faculty.example.edu.example.org",
)  # fmt: skip
PASSPHRASES = (
    "🦊🌙 three foxes under a moon", "пароль из четырёх слов и кофе", "كلمة سر طويلة مع نجوم ✨",
    "長い合言葉と夜の🚲自転車", "Ünïcödé wörks hére töo", "👩‍👩‍👧‍👦🏳️‍🌈 family of flags",
    "correct horse; battery: staple!", "  spaces   belong to it  ", "ไม่มีใครเดาได้หรอก 🐘",
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """`typed_email` is what the person enters, `email` the address as the mail reaches it."""

    name: str
    typed_email: str
    email: str
    password: str
    username: str | None
    client_address: str

    @property
    def registration(self) -> dict[str, str]:
        form = {"name": self.name, "email": self.typed_email, "password": self.password}
        return form | ({"username": self.username} if self.username else {})


def people(count: int) -> list[Person]:
    """`count` people nobody has seen before, each behind a client address of their own."""
    return list(islice(_everybody(), count))


def _everybody() -> Iterator[Person]:
    run = secrets.token_hex(4)
    networks = secrets.randbits(31)
    number = 0
    while True:
        local = _local_part(number, f"{run}{number:x}")
        domain = DOMAINS[number % len(DOMAINS)]
        yield Person(
            name=NAMES[number % len(NAMES)],
            typed_email=f"{local}@{domain}",
            email=f"{local.lower()}@{idna.encode(domain, uts46=True).decode()}",
            password=f"{PASSPHRASES[number % len(PASSPHRASES)]}{secrets.token_hex(4)}",
            username=f"p.{run}-{number}" if number % 3 == 0 else None,
            client_address=_client_address(networks + number),
        )
        number += 1


def _local_part(number: int, unique: str) -> str:
    """Plain, tagged, in capitals, punctuated, or as long as an address may be."""
    shapes = (
        f"person.{unique}",
        f"person.{unique}+gatepost",
        f"Mixed.Case.{unique}",
        f"o'neil_{unique}!#$%&*",
        unique.rjust(LONGEST_LOCAL_PART, "l"),
        f"{unique}+a+b=c",
    )
    return shapes[number % len(shapes)]


def _client_address(number: int) -> str:
    """IPv4 for the even numbers; a /48 of its own for each odd one."""
    if number % 2:
        return str(IPv6Address((0x2001 << 112) + (number % 2**32 << 80) + 1))
    return str(IPv4Address((11 << 24) + number // 2 % 2**24))
