"""Alerts as e-mail: plain text with the figures, under one Message-ID on each attempt."""

from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

import aiosmtplib

from app.alerts.sending import ATTEMPT_SECONDS, Outcome
from app.settings import Settings
from models.alerts import Alert, Delivery, Endpoint

MAX_SUBJECT = 150
"""Characters; a header line is short."""


class Mail:
    """Sends through the server of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, _: Endpoint, alert: Alert, delivery: Delivery) -> Outcome:
        return await self.deliver(email_of(alert, delivery, self._settings.smtp_from))

    async def deliver(self, message: EmailMessage) -> Outcome:
        """Send a message once."""
        settings = self._settings
        if settings.smtp_host is None:
            return Outcome(error="this deployment has no server for e-mail (TWINMETER_SMTP_HOST)")
        password = settings.smtp_password
        try:
            await aiosmtplib.send(
                message,
                hostname=settings.smtp_host,
                port=settings.smtp_port,
                username=settings.smtp_user,
                password=None if password is None else password.get_secret_value(),
                use_tls=settings.smtp_security == "tls",
                start_tls=settings.smtp_security == "starttls",
                timeout=ATTEMPT_SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            code = error.recipients[0].code
            return Outcome(code, f"the server refused the address ({code})")
        except aiosmtplib.SMTPResponseException as error:
            return Outcome(error.code, f"the server answered {error.code}")
        except aiosmtplib.SMTPTimeoutError:
            return Outcome(error="the server did not answer in time")
        except (aiosmtplib.SMTPException, OSError) as error:
            return Outcome(error=f"no connection to the server: {type(error).__name__}")
        return Outcome(250)


def id_of_message(name: str, sender: str) -> str:
    """The `Message-ID` of what is called so, the same at each attempt."""
    _, address = parseaddr(sender)
    return f"<{name}@{address.partition('@')[2] or 'twinmeter'}>"


def email_of(alert: Alert, delivery: Delivery, sender: str) -> EmailMessage:
    """The message to the recipient of a delivery."""
    message = EmailMessage()
    subject = "".join(each if each.isprintable() else " " for each in alert.text)
    message["From"] = sender
    message["To"] = Address(addr_spec=delivery.recipient or "")
    message["Subject"] = f"[twinmeter] {subject}"[:MAX_SUBJECT]
    message["Date"] = format_datetime(alert.at)
    message["Message-ID"] = id_of_message(delivery.id, sender)
    message["Auto-Submitted"] = "auto-generated"
    lines = [alert.text, "", *alert.lines, "", f"Alert {alert.id}, {alert.at:%Y-%m-%d %H:%M:%S} UTC"]
    message.set_content("\n".join(lines))
    return message
