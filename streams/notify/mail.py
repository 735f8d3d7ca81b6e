"""Mail by SMTP: plain text, one recipient a message, TLS unless told otherwise.

What the server says of this message (5xx to the recipient or to the text) is final. What concerns the server as a
whole (no connection, TLS, sign-in, our own address) is tried again: it is for whoever runs it to put right, and no message's fault.
"""

import smtplib
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

from pydantic import SecretStr

from streams.notify.config import MailServer
from streams.notify.deadline import deadline
from streams.notify.letters import Letter, clean
from streams.notify.sinks import SendResult

EXCHANGE_TIMEOUTS = 3.0
"""A whole exchange may take so many times the timeout of one step."""

REASON_LENGTH_MAX = 300
"""Characters of the server's answer that are kept."""

_FINAL = range(500, 600)


class MailTransport:
    """Sends letters through one SMTP server, a connection for each.

    Args:
        server: where.
        password: of its user.
        new_context: makes the TLS context.

    Raises:
        OSError: the file of certificates cannot be read.
    """

    def __init__(
        self,
        server: MailServer,
        password: SecretStr | None,
        new_context: Callable[[str | None], ssl.SSLContext] = lambda file: ssl.create_default_context(
            cafile=file
        ),
    ) -> None:
        self._server = server
        self._password = password
        self._context = new_context(server.ca_file)
        self._host_name = socket.getfqdn()
        if not self._host_name.isascii() or "." not in self._host_name:
            self._host_name = "[127.0.0.1]"  # what SMTP asks of a machine without a name

    def send(self, letter: Letter) -> SendResult:
        """Try once. Raises nothing that the server can cause."""
        if letter.address is None:
            return SendResult("failed", "there is no mail address for this person any more")
        message = mail_of(letter, self._server)
        server = self._server
        client: smtplib.SMTP | None = None
        with deadline(
            EXCHANGE_TIMEOUTS * server.timeout_s, lambda: None if client is None else client.sock
        ) as is_over:
            try:
                client = self._new_client()
                self._connect(client)
                refusal = _hand_over(client, server.sender, letter.address, message)
            except (smtplib.SMTPException, OSError) as error:
                if is_over.is_set():
                    return SendResult("again", f"no end after {EXCHANGE_TIMEOUTS * server.timeout_s:g} s")
                return SendResult("again", _reason(error))
            else:
                return refusal
            finally:
                if client is not None:
                    client.close()

    def _new_client(self) -> smtplib.SMTP:
        """A client that is not connected yet, so that whoever watches the time knows it from the start."""
        server = self._server
        if server.security == "tls":
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                timeout=server.timeout_s, local_hostname=self._host_name, context=self._context
            )
        else:
            client = smtplib.SMTP(timeout=server.timeout_s, local_hostname=self._host_name)
        # connect() does not set the name that certificates are checked against; the constructor would.
        client._host = server.host  # type: ignore[attr-defined]
        return client

    def _connect(self, client: smtplib.SMTP) -> None:
        code, words = client.connect(self._server.host, self._server.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, words)
        client.ehlo_or_helo_if_needed()
        if self._server.security == "starttls":
            client.starttls(
                context=self._context
            )  # raises where the server does not offer it: never plain text
            client.ehlo_or_helo_if_needed()
        if self._server.user is not None:
            assert self._password is not None
            client.login(self._server.user, self._password.get_secret_value())


def mail_of(letter: Letter, server: MailServer) -> EmailMessage:
    """The letter as a mail; its Message-ID is that of the delivery, the same for each repeat."""
    domain = server.sender.partition("@")[2]
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(clean(server.sender_name), addr_spec=server.sender)
    mail["To"] = Address(clean(letter.person_name), addr_spec=letter.address or "")
    mail["Subject"] = clean(letter.subject)
    mail["Date"] = formatdate(usegmt=True)
    mail["Message-ID"] = f"<{letter.delivery_id}@{domain}>"
    if letter.thread is not None:
        mail["In-Reply-To"] = mail["References"] = f"<{letter.thread}@{domain}>"
    if letter.card_id is not None:
        mail["X-Foresite-Card"] = clean(letter.card_id)
    mail["X-Foresite-Change"] = letter.change
    mail["Auto-Submitted"] = "auto-generated"  # out-of-office robots leave it alone
    mail.set_content(letter.text)
    return mail


def _hand_over(client: smtplib.SMTP, sender: str, address: str, message: EmailMessage) -> SendResult:
    """MAIL, RCPT, DATA; what the server says of them."""
    try:
        client.send_message(message, sender, [address])
    except smtplib.SMTPRecipientsRefused as error:
        code, words = error.recipients[address]
        return _verdict(code, words)
    except (
        smtplib.SMTPSenderRefused
    ) as error:  # us, as with "sign in first": every letter would be lost alike
        return SendResult("again", _answer(error.smtp_code, error.smtp_error))
    except smtplib.SMTPResponseException as error:  # the text
        return _verdict(error.smtp_code, error.smtp_error)
    with suppress(smtplib.SMTPException, OSError):  # it has the message: how it says goodbye changes nothing
        client.quit()
    return SendResult("delivered", "accepted by the mail server")


def _verdict(code: int, words: bytes | str) -> SendResult:
    return SendResult("failed" if code in _FINAL else "again", _answer(code, words))


def _answer(code: int, words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return f"{code} {clean(text)}"[:REASON_LENGTH_MAX]


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the sign-in was refused ({error.smtp_code})"  # the answer may repeat what was sent
    if isinstance(error, smtplib.SMTPResponseException):
        return _answer(error.smtp_code, error.smtp_error)
    return f"{type(error).__name__}: {clean(str(error))}"[:REASON_LENGTH_MAX]
