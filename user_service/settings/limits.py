"""How often, how long and how costly: the figures that an operator may change."""

from __future__ import annotations

import re

from msgspec import Struct

from shared.env import Environment

WINDOWS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
MOST_DAILY_MAILS = 20
MOST_ARGON_KIB, MOST_ARGON_PASSES, MOST_ARGON_LANES = 2**20, 16, 16
RATE = re.compile(r"([1-9][0-9]{0,6})/(second|minute|hour|day)")


class Rate(Struct, frozen=True):
    count: int
    seconds: int


Rates = tuple[Rate, ...]


class Limits(Struct, frozen=True, kw_only=True):
    """Per client network for each action; mails per address from one site and from all together."""

    register: Rates
    resend: Rates
    recovery: Rates
    edit: Rates
    verify: Rates
    login: Rates
    address_site: Rates
    address_all: Rates

    @classmethod
    def read(cls, env: Environment) -> Limits:
        limits = cls(
            register=_rates(env, "LIMIT_REGISTER", "20/minute,100/hour"),
            resend=_rates(env, "LIMIT_RESEND", "20/minute"),
            recovery=_rates(env, "LIMIT_RECOVERY", "20/minute"),
            edit=_rates(env, "LIMIT_EDIT", "20/minute"),
            verify=_rates(env, "LIMIT_VERIFY", "60/minute"),
            login=_rates(env, "LIMIT_LOGIN", "60/minute"),
            address_site=_rates(env, "LIMIT_ADDRESS_FROM_NETWORK", "1/minute,3/hour,4/day"),
            address_all=_rates(env, "LIMIT_ADDRESS", "3/minute,6/hour,10/day"),
        )
        # Five guesses for each: NIST allows a hundred a day.
        daily = [rate.count for rate in limits.address_all if rate.seconds >= WINDOWS["day"]]
        bounded = any(count <= MOST_DAILY_MAILS for count in daily)
        if limits.address_all and not bounded and not env.development:
            env.problem(f"LIMIT_ADDRESS must hold a rate of {MOST_DAILY_MAILS}/day or less.")
        return limits


class ChallengeTimes(Struct, frozen=True):
    """How long a code and the challenge around it live, in seconds."""

    code: int
    challenge: int

    @classmethod
    def read(cls, env: Environment) -> ChallengeTimes:
        return cls(
            code=env.integer("CODE_SECONDS", 600, least=1, most=600),
            challenge=env.integer("REGISTRATION_SECONDS", 1800, least=1, most=86400),
        )


class SessionLimits(Struct, frozen=True):
    """Days after which a session ends, and ends without a refresh; the most of one account."""

    days: int
    idle_days: int
    per_account: int

    @classmethod
    def read(cls, env: Environment) -> SessionLimits:
        return cls(
            days=env.integer("SESSION_DAYS", 30, least=1, most=365),
            idle_days=env.integer("SESSION_IDLE_DAYS", 14, least=1, most=365),
            per_account=env.integer("SESSIONS_PER_ACCOUNT", 50, least=1, most=1000),
        )


class ArgonCost(Struct, frozen=True):
    """Argon2id's parameters: memory in KiB, passes, lanes. OWASP's minimum by default."""

    memory: int = 19456
    time: int = 2
    lanes: int = 1

    @classmethod
    def read(cls, env: Environment) -> ArgonCost:
        cost = cls(
            memory=env.integer("ARGON2_MEMORY_KIB", 19456, least=8, most=MOST_ARGON_KIB),
            time=env.integer("ARGON2_TIME", 2, least=1, most=MOST_ARGON_PASSES),
            lanes=env.integer("ARGON2_LANES", 1, least=1, most=MOST_ARGON_LANES),
        )
        # ASVS 5.0, Appendix C.
        least = {1: 47104, 2: 19456}.get(cost.time, 12288)
        if cost.memory < least and not env.development:
            env.problem(f"ARGON2_MEMORY_KIB must be at least {least} with ARGON2_TIME={cost.time}.")
        return cost


def _rates(env: Environment, name: str, default: str) -> Rates:
    rates = []
    items = env.items(name, default)
    for item in items:
        match = RATE.fullmatch(item)
        if match is None:
            env.problem(f"{name} holds {item!r}; a rate reads 20/minute (or second, hour, day).")
        else:
            rates.append(Rate(int(match[1]), WINDOWS[match[2]]))
    if not items:
        env.problem(f"{name} holds no rate; a limit cannot be left out.")
    return tuple(rates)
