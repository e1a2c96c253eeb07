"""The login throttle: after a few wrong passwords everyone waits longer, and nobody for ever.

Failures count per identifier as typed, never per account: a username's delay must not betray its
address. From one network the wait doubles up to an hour; over all networks it stays at 30 seconds,
so that strangers cannot lock somebody out.
"""

from user_service.identity.password_attempts.attempts import PasswordAttempts, ThrottledAttempts
from user_service.identity.password_attempts.local import LocalAttempts
from user_service.identity.password_attempts.shared import SharedAttempts

__all__ = ["LocalAttempts", "PasswordAttempts", "SharedAttempts", "ThrottledAttempts"]
