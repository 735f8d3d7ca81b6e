"""Signatures, answers and waits of webhooks, and waits between attempts."""

from email.message import Message
from http.client import HTTPMessage

import pytest

from streams.notify.config import Retry
from streams.notify.sinks import backoff_s
from streams.notify.webhook import foresite_signature, judge, signing_key, standard_signature


def test_our_signature_is_hmac_sha256_of_second_dot_body() -> None:
    """printf '1700000000.{}' | openssl dgst -sha256 -hmac secret"""
    digest = "b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163"

    assert f"t=1700000000,v1={digest}" == foresite_signature(b"secret", 1_700_000_000, b"{}")


def test_the_standard_webhooks_signature_is_that_of_its_own_example() -> None:
    """The example of the specification's reference libraries."""
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    message = "msg_p5jXN8AQM9LWM0D4loKWxJek"

    assert "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == standard_signature(
        key, message, 1_614_265_330, b'{"test": 2432232314}'
    )


def test_a_secret_that_only_looks_like_base64_is_taken_as_it_is() -> None:
    assert b"whsec_no base64!" == signing_key("whsec_no base64!")


@pytest.mark.parametrize(
    ("status", "retry_after", "expected"),
    [
        (200, None, ("delivered", None)),
        (204, None, ("delivered", None)),
        (302, None, ("failed", None)),
        (400, None, ("failed", None)),
        (410, None, ("failed", None)),
        (408, None, ("again", None)),
        (429, "120", ("again", 120.0)),
        (503, "Tue, 14 Nov 2023 22:13:50 GMT", ("again", 30.0)),
        (503, "Tue, 14 Nov 2023 22:13:00 GMT", ("again", 0.0)),
        (500, "soon", ("again", None)),
        (500, "²", ("again", None)),
        (500, "-5", ("again", None)),
        (500, "9" * 400, ("again", None)),
    ],
)
def test_what_an_answer_means(
    status: int, retry_after: str | None, expected: tuple[str, float | None]
) -> None:
    """1,700,000,000 is 14 November 2023, 22:13:20 UTC."""
    headers: Message = HTTPMessage()
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    result = judge(status, headers, 1_700_000_000.0)  # type: ignore[arg-type]

    assert expected == (result.outcome, result.retry_after_s)


def test_waits_double_up_to_the_maximum_less_a_share_by_chance() -> None:
    retry = Retry(first_s=5.0, max_s=60.0)

    assert [5.0, 10.0, 20.0, 40.0, 60.0, 60.0] == [
        backoff_s(retry, attempts, None, lambda: 0.0) for attempts in range(1, 7)
    ]
    assert 10.0 == backoff_s(retry, 3, None, lambda: 1.0)
    assert 60.0 == backoff_s(retry, 10_000, None, lambda: 0.0)
    assert (30.0, 60.0) == (
        backoff_s(retry, 1, 30.0, lambda: 0.0),
        backoff_s(retry, 1, 9_999.0, lambda: 0.0),
    )
