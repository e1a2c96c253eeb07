"""One spelling for each email address: every store, limit and mail uses this and no other."""

from __future__ import annotations

from email_validator import EmailNotValidError, validate_email

from user_service.errors import InvalidFields


def canonical_address(typed: str, *, field: str = "email") -> str:
    """Lower-case ASCII local part and IDNA domain; raises InvalidFields about `field`.

    Local parts outside ASCII are refused: case mapping has made one person's address into
    another's before (CVE-2019-19844).
    """
    try:
        parsed = validate_email(
            typed, check_deliverability=False, allow_smtputf8=False, strict=True
        )
    except EmailNotValidError as error:
        raise InvalidFields(**{field: str(error)}) from None
    return f"{parsed.local_part.lower()}@{parsed.ascii_domain.lower()}"
