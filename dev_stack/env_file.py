"""`python -m dev_stack.env_file`: write the .env that docker-compose.yml reads, if there is none.

Needs no package, for `make up` asks for Docker alone.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

ENV_FILE = Path(__file__).resolve().parent.parent / ".env"

TEMPLATE = """\
# Written by `make up` for this machine alone: real secrets, mail to the mailbox of the profile dev.
# docker-compose.yml says what to change for production, .env.example explains every variable.

COMPOSE_PROFILES=dev
ENVIRONMENT=development
PUBLIC_BASE_URL=http://localhost:3000

# Docker's usual networks: requests from this machine come from their gateways, and `make demo`
# names its people's addresses in X-Forwarded-For. In production only your own proxy belongs here.
TRUSTED_PROXIES=172.16.0.0/12,192.168.0.0/16

# The password of Postgres is kept in its data: to change it here, change it there too.
DB_PASSWORD={db_password}
REDIS_PASSWORD={redis_password}
MASTER_KEY={master_key}
OTP_KEYS=k1:{otp_key}

# Any key will do, the mailbox accepts this one only.
SENDGRID_API_KEY=SG.{sendgrid_key}
SENDGRID_BASE_URL=http://mailbox:8025
FROM_EMAIL=no-reply@gatepost.test
"""


def write(path: Path) -> bool:
    """Write the file, readable by its owner alone; False when it was there already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(
            TEMPLATE.format(
                db_password=secrets.token_hex(24),
                redis_password=secrets.token_hex(24),
                master_key=secrets.token_hex(32),
                otp_key=secrets.token_hex(32),
                sendgrid_key=secrets.token_hex(24),
            )
        )
    return True


if __name__ == "__main__":
    wrote = write(Path(sys.argv[1]) if len(sys.argv) > 1 else ENV_FILE)
    print("Wrote .env with random secrets." if wrote else "Using the .env that is there.")
