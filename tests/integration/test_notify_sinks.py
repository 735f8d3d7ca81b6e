"""Notices through real sinks: an SMTP server and HTTP receivers that take, refuse, hang, and come back."""

import json
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from streams.cli import app
from streams.notify.config import Webhook
from streams.notify.letters import trial_letter
from streams.notify.webhook import WebhookTransport
from tests.notify_plant import (
    NOON,
    SECRET,
    Clock,
    Mailbox,
    Receiver,
    card,
    config_of,
    mail_server,
    office,
    receiver,
    self_made_certificate,
)


def to_hook(hook: Receiver, **parts: Any) -> Any:
    return config_of(webhooks={"hook": {"url": hook.url, "allow_http": True, "timeout_s": 0.5}}, **parts)


def to_mail(box: Mailbox, *, okafor: dict[str, Any] | None = None, **server: Any) -> Any:
    return config_of(
        mail={
            "host": "localhost",
            "port": box.port,
            "security": "none",
            "from": "foresite@plant.example",
            "timeout_s": 2,
            **server,
        },
        webhooks={},
        people={"okafor": {"name": "R. Okafor", "mail": "okafor@plant.example", **(okafor or {})}},
    )


# Webhooks -------------------------------------------------------------------------------------------------------------


def test_each_change_of_a_card_is_posted_once_and_signed() -> None:
    with receiver() as hook, office(to_hook(hook)) as at_work:
        at_work.tell(card(revision=1))
        at_work.settle()
        at_work.tell(card(revision=1))  # read again
        at_work.tell(card(revision=2, score=200.0))  # a material change, but nothing to be told apart
        at_work.settle()
        at_work.tell(card(revision=3, escalation=1))
        at_work.settle()
        at_work.tell(card(revision=4, escalation=1, severity="critical"))
        at_work.settle()
        at_work.tell(card(revision=5, escalation=1, severity="critical", state="cleared"))
        at_work.settle()

        assert [
            [("raised", "L3")],
            [("escalated", "L3")],
            [("escalated", "L3")],
            [("cleared", "L3")],
        ] == hook.changes
        assert [0, 2, 3, 3] == [each.body["notices"][0]["level"] for each in hook.posted]
        assert [True] * 4 == [each.is_signed for each in hook.posted]
        assert 4 == len({each.key for each in hook.posted})
        assert "/hook?room=7" == hook.posted[0].path
        assert (
            hook.posted[0].key == hook.posted[0].body["delivery_id"] == hook.posted[0].headers["webhook-id"]
        )
        assert (4.0, 0.0) == (at_work.count("hook", "delivered"), at_work.count("hook", "failed"))


def test_a_receiver_that_fails_first_gets_the_same_again() -> None:
    with receiver() as hook, office(to_hook(hook)) as at_work:
        hook.answers = [500, 429, 503]
        hook.headers = {"Retry-After": "0"}
        at_work.tell(card())
        at_work.settle()

        assert 4 == len(hook.posted)
        assert 1 == len({each.key for each in hook.posted})
        assert [("raised", "delivered")] == at_work.outcomes()
        assert (3.0, 1.0) == (at_work.count("hook", "retried"), at_work.count("hook", "delivered"))


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (410, "HTTP 410"),
        (401, "HTTP 401"),
        (302, "HTTP 302: redirects are not followed; put the new address into the file"),
    ],
)
def test_a_refusal_for_good_is_noted_and_not_repeated(status: int, reason: str) -> None:
    with receiver() as hook, receiver() as elsewhere, office(to_hook(hook)) as at_work:
        hook.answers, hook.headers = [status], {"Location": elsewhere.url}
        at_work.tell(card(revision=1))
        at_work.settle()
        at_work.tell(card(revision=2, state="cleared"))  # nobody was told that it began
        at_work.settle()

        notices = at_work.notes["delivery_risk/S1/line/L3/1"]
        assert [("failed", reason, 1)] == [
            (each.outcome, each.reason, each.attempts) for each in notices.outcomes
        ]
        assert (1, 0) == (len(hook.posted), len(elsewhere.posted))


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_a_receiver_that_never_ends_is_left_and_asked_again(how: str) -> None:
    with receiver() as hook, office(to_hook(hook)) as at_work:
        hook.answers = [how]
        at_work.tell(card())
        at_work.settle()

        assert 2 == len(hook.posted)
        assert [("raised", "delivered")] == at_work.outcomes()


def test_one_that_hangs_holds_up_no_other() -> None:
    with receiver() as slow, receiver() as fast:
        config = config_of(
            webhooks={
                name: {"url": each.url, "allow_http": True, "timeout_s": 5}
                for name, each in (("slow", slow), ("fast", fast))
            },
            people={"okafor": {"webhook": "slow"}, "roy": {"webhook": "fast"}},
            always=["roy"],
        )
        slow.answers = ["hang"] * 5
        with office(config) as at_work:
            began = time.monotonic()
            at_work.tell(*(card(f"L{number}") for number in range(5)))
            at_work.work_until(lambda: len(fast.posted) == 5)

            assert time.monotonic() - began < 2.0
            assert 1 == len(slow.posted)
            slow.is_over.set()


def test_a_receiver_that_is_not_there_is_tried_until_given_up() -> None:
    clock = Clock()
    with receiver() as hook:
        config = to_hook(hook)
    with office(config, clock) as at_work:  # its port is closed by now
        at_work.tell(card())
        at_work.work_until(lambda: at_work.count("hook", "retried") == 1.0)
        clock.set(NOON + timedelta(hours=2))
        at_work.settle()

        [outcome] = at_work.notes["delivery_risk/S1/line/L3/1"].outcomes
        assert ("failed", 2) == (outcome.outcome, outcome.attempts)
        assert "given up after 1 h: ConnectionRefusedError" in outcome.reason


def test_webhooks_check_certificates(tmp_path: Path) -> None:
    mine, others = self_made_certificate(tmp_path), self_made_certificate(tmp_path, "elsewhere")
    with receiver(mine) as hook:
        outcomes = []
        for trusted in (mine, others):
            url = f"https://localhost:{hook.port}/"
            webhook = Webhook(url=url, ca_file=str(trusted[0]))
            person = config_of().people["okafor"]
            result = WebhookTransport(webhook, SecretStr(SECRET)).send(trial_letter("okafor", person, NOON))
            outcomes.append((result.outcome, result.reason[:24]))

    assert [("delivered", "HTTP 204"), ("again", "SSLCertVerificationError")] == outcomes
    assert ["test"] == [each.body["kind"] for each in hook.posted]


# Mail -----------------------------------------------------------------------------------------------------------------


def test_a_card_s_mails_thread_and_say_what_the_card_says() -> None:
    with mail_server() as box, office(to_mail(box)) as at_work:
        at_work.tell(card(revision=1))
        at_work.settle()
        at_work.tell(card(revision=2, state="cleared", update_reason="no order is late any more"))
        at_work.settle()

        raised, over = box.mails
        assert ["#4471 for Müller waits for L3", "Over: #4471 for Müller waits for L3"] == [
            mail["Subject"] for mail in box.mails
        ]
        assert raised["References"] == over["References"] == over["In-Reply-To"]
        assert raised["Message-ID"] != over["Message-ID"]
        assert "delivery_risk/S1/line/L3/1" == raised["X-Foresite-Card"]
        assert ("Foresite <foresite@plant.example>", '"R. Okafor" <okafor@plant.example>') == (
            raised["From"],
            raised["To"],
        )
        assert "auto-generated" == raised["Auto-Submitted"]
        assert "text/plain" == raised.get_content_type()
        assert (
            " 1 ◆ HIGH  #4471 for Müller waits for L3\n"
            "     why    L3 has run slow\n"
            "     owner  R. Okafor (supervisor of L3)\n"
            "     until  Fri 20 Nov 18:00, in 1 day 6 h (overtime notice)\n"
            "     money  penalty 5,000 EUR; margin 4,165 → -835 EUR\n"
        ) in raised.get_content().replace("\r\n", "\n")
        assert over.get_content().startswith(
            "This card is over: cleared, no order is late any more. Nothing more is to be done.\r\n"
        )


def test_starttls_sign_in_and_a_certificate_that_is_trusted(tmp_path: Path) -> None:
    certificate = self_made_certificate(tmp_path)
    with mail_server(certificate, password="hunter2") as box:
        config = to_mail(box, security="starttls", user="foresite", ca_file=str(certificate[0]))
        with office(config, password="hunter2") as at_work:
            at_work.tell(card())
            at_work.settle()

        assert ([True], [True]) == (box.encrypted, box.signed_in)
        assert [("raised", "delivered")] == at_work.outcomes()


def test_tls_from_the_first_byte(tmp_path: Path) -> None:
    certificate = self_made_certificate(tmp_path)
    with mail_server(certificate, from_the_start=True) as box:
        with office(to_mail(box, security="tls", ca_file=str(certificate[0]))) as at_work:
            at_work.tell(card())
            at_work.settle()

        assert [True] == box.encrypted


def test_nothing_leaves_in_the_clear_or_to_a_stranger(tmp_path: Path) -> None:
    certificate, others = self_made_certificate(tmp_path), self_made_certificate(tmp_path, "elsewhere")
    with mail_server(certificate) as stranger, mail_server() as plain:
        configs = [
            to_mail(stranger, security="starttls", ca_file=str(others[0])),
            to_mail(plain, security="starttls"),
        ]
        for config in configs:
            with office(config) as at_work:
                at_work.tell(card())
                at_work.work_until(lambda: at_work.count("mail", "retried") >= 1.0)

        assert ([], []) == (stranger.mails, plain.mails)


def test_a_wrong_password_is_for_the_operator_and_fails_no_message(tmp_path: Path) -> None:
    certificate = self_made_certificate(tmp_path)
    with mail_server(certificate, password="hunter2") as box:
        config = to_mail(box, security="starttls", user="foresite", ca_file=str(certificate[0]))
        with office(config, password="wrong") as at_work:
            at_work.tell(card())
            at_work.work_until(lambda: at_work.count("mail", "retried") >= 1.0)

            [channel] = at_work.notes["delivery_risk/S1/line/L3/1"].channels
            assert "the sign-in was refused (535)" == channel.pending.last_error


def test_a_server_that_wants_a_sign_in_first_fails_no_message(tmp_path: Path) -> None:
    certificate = self_made_certificate(tmp_path)
    with (
        mail_server(certificate, password="hunter2") as box,
        office(to_mail(box, security="starttls", ca_file=str(certificate[0]))) as at_work,
    ):
        at_work.tell(card())
        at_work.work_until(lambda: at_work.count("mail", "retried") >= 1.0)

        [channel] = at_work.notes["delivery_risk/S1/line/L3/1"].channels
        assert "530 5.7.0 Authentication required" == channel.pending.last_error


def test_a_server_that_is_busy_gets_the_same_again_and_a_refused_recipient_does_not() -> None:
    with mail_server() as box:
        config = config_of(
            mail={"host": "127.0.0.1", "port": box.port, "security": "none", "from": "f@plant.example"},
            webhooks={},
            people={"okafor": {"mail": "okafor@plant.example"}, "gone": {"mail": "gone@plant.example"}},
            always=["gone"],
        )
        box.answers = ["451 4.3.0 try again later"]
        box.recipient_answers = {"gone@plant.example": "550 5.1.1 no such person"}
        with office(config) as at_work:
            at_work.tell(card())
            at_work.settle()

        outcomes = at_work.notes["delivery_risk/S1/line/L3/1"].outcomes
        assert {
            ("okafor", "delivered", 2, "accepted by the mail server"),
            ("gone", "failed", 1, "550 5.1.1 no such person"),
        } == {(each.person_id, each.outcome, each.attempts, each.reason) for each in outcomes}
        assert 1 == len(box.mails)


def test_a_mail_server_that_hangs_is_left() -> None:
    with mail_server() as box, office(to_mail(box, timeout_s=0.3)) as at_work:
        box.is_hanging = True
        at_work.tell(card())
        at_work.work_until(lambda: at_work.count("mail", "retried") >= 1.0)
        box.is_hanging = False
        at_work.settle()

        assert 1 == len(box.mails)


def test_a_name_cannot_add_a_header() -> None:
    evil = "late\r\nBcc: all@plant.example\r\n\r\n<script>\u202e\x00"
    with mail_server() as box, office(to_mail(box, okafor={"name": "R.\r\nBcc: x@y.example"})) as at_work:
        at_work.tell(card(title=evil, owner={"id": "okafor", "name": evil, "rule": evil}))
        at_work.settle()

        [mail] = box.mails
        assert None is mail["Bcc"]
        assert "late  Bcc: all@plant.example    <script>" == mail["Subject"]
        names = [line.partition(b":")[0] for line in box.raw[0].partition(b"\r\n\r\n")[0].split(b"\r\n")]
        assert [b"From", b"To", b"Subject", b"Date", b"Message-ID", b"In-Reply-To", b"References"] == names[
            :7
        ]
        assert "\nBcc" not in mail.get_content()


def test_a_test_message_goes_by_each_sink_and_says_what_came_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORESITE_NOTIFY_WEBHOOK_SECRETS", json.dumps({"hook": SECRET}))
    with mail_server() as box, receiver() as hook:
        file = tmp_path / "notify.yaml"
        mail = {"host": "127.0.0.1", "port": box.port, "security": "none", "from": "f@plant.example"}
        hooks = {"hook": {"url": hook.url, "allow_http": True}}
        people = {"okafor": {"mail": "okafor@plant.example", "webhook": "hook"}}
        file.write_text(json.dumps({"mail": mail, "webhooks": hooks, "people": people}), encoding="utf-8")
        command = ["notify", "test", str(file), "--to", "okafor"]

        good = CliRunner().invoke(app, command)
        box.recipient_answers = {"okafor@plant.example": "550 no such person"}
        bad = CliRunner().invoke(app, command)

    assert (0, "      mail  delivered  accepted by the mail server\n      hook  delivered  HTTP 204\n") == (
        good.exit_code,
        good.stdout,
    )
    assert (1, "      mail  failed  550 no such person\n      hook  delivered  HTTP 204\n") == (
        bad.exit_code,
        bad.stdout,
    )
    assert ["Foresite: test message"] == [mail["Subject"] for mail in box.mails]
    assert [("test", True), ("test", True)] == [(each.body["kind"], each.is_signed) for each in hook.posted]


# Quiet hours ----------------------------------------------------------------------------------------------------------

NIGHT = [{"from": "22:00", "to": "06:00"}]


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}:00+01:00")


def test_the_night_is_told_in_one_digest_of_what_still_holds() -> None:
    clock = Clock(at("19T20:00"))
    with receiver() as hook:
        config = to_hook(
            hook, people={"okafor": {"webhook": "hook", "zone": "Europe/Berlin", "quiet": NIGHT}}
        )
        with office(config, clock) as at_work:
            at_work.tell(card("evening"))
            at_work.settle()
            clock.set(at("19T23:00"))
            at_work.tell(card("L1", score=10.0), card("L2", score=20.0), card("L4"))
            clock.set(at("20T02:00"))
            at_work.tell(
                card("L2", 2, score=30.0),  # newer numbers
                card("L4", 2, state="cleared"),  # came and went: nobody need know
                card("evening", 2, state="cleared"),  # whose beginning was told
            )
            clock.set(at("20T05:59"))
            for _ in range(20):
                at_work.turn()
            told_by_night = len(hook.posted)
            clock.set(at("20T06:00"))
            at_work.settle()

        assert 1 == told_by_night
        digest = hook.posted[1].body
        assert ([("cleared", "evening"), ("raised", "L2"), ("raised", "L1")], "digest") == (
            hook.posted[1].changes,
            digest["kind"],
        )
        assert 30.0 == digest["notices"][1]["card"]["score"]
        assert digest["text"].startswith(
            "2 cards for you, the most urgent first:\n\n 1 ◆ HIGH  #4471 for Müller waits for L2"
        )
        assert [("raised", "dropped")] == at_work.outcomes("L4")
        assert [("raised", "delivered")] == at_work.outcomes("L1")
        assert 2 == len(hook.posted)


@pytest.mark.parametrize(("breaks", "told"), [(True, [[("raised", "L1")]]), (False, [])])
def test_a_critical_card_breaks_the_quiet_where_it_may(breaks: bool, told: list[object]) -> None:
    clock = Clock(at("19T23:00"))
    with receiver() as hook:
        config = to_hook(
            hook,
            people={"okafor": {"webhook": "hook", "zone": "Europe/Berlin", "quiet": NIGHT}},
            critical_breaks_quiet=breaks,
        )
        with office(config, clock) as at_work:
            at_work.tell(card("L1"))
            at_work.turn()
            at_work.tell(card("L1", 2, severity="critical"), card("L2"))
            at_work.turn()
            at_work.work_until(lambda: at_work.desk.flying_count == 0)
            assert told == hook.changes
            clock.set(at("20T06:00"))
            at_work.settle()

    assert {"L1", "L2"} == {line for posted in hook.changes for _, line in posted}
    assert 2 == sum(len(posted) for posted in hook.changes)


def test_retries_stop_when_quiet_hours_begin() -> None:
    clock = Clock(at("19T21:59"))
    with receiver() as hook:
        config = to_hook(
            hook, people={"okafor": {"webhook": "hook", "zone": "Europe/Berlin", "quiet": NIGHT}}
        )
        hook.answers = [503]
        with office(config, clock) as at_work:
            at_work.tell(card())
            at_work.work_until(lambda: at_work.count("hook", "retried") == 1.0)
            clock.set(at("19T22:00"))
            for _ in range(20):
                at_work.turn()
            assert 1 == len(hook.posted)
            clock.set(at("20T06:00"))
            at_work.settle()

    assert 2 == len(hook.posted)
    assert 1 == len({each.key for each in hook.posted})


def test_too_many_at_once_come_as_one() -> None:
    with receiver() as hook, office(to_hook(hook, digest_above=3)) as at_work:
        at_work.tell(*(card(f"L{number}", score=float(number)) for number in range(4)))
        at_work.settle()

    assert [[("raised", "L3"), ("raised", "L2"), ("raised", "L1"), ("raised", "L0")]] == hook.changes
