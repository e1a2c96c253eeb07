"""A stand-in for SendGrid's `POST /v3/mail/send` with a mailbox instead of delivery.

In process: `async with MailStandIn(key="...") as sendgrid`, then `sendgrid.url`,
`await sendgrid.mailbox.wait_for(address, 5)`, `sendgrid.faults.add(Fault(status=503, times=3))`.
"""

from dev_stack.mail_stand_in.faults import Fault, Faults
from dev_stack.mail_stand_in.mailbox import Mail, Mailbox, MailView
from dev_stack.mail_stand_in.server import MailStandIn

__all__ = ["Fault", "Faults", "Mail", "MailStandIn", "MailView", "Mailbox"]
