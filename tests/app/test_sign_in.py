"""Signing in: where the server asks for it, nothing is shown before; where it does not, nothing changes."""

import pytest
from streamlit.testing.v1 import AppTest

from app.visitor import name_in
from tests.app.conftest import MAIN

ADA = {"is_logged_in": True, "sub": "4711", "name": "Ada", "email": "ada@example.org"}


def test_who_has_not_signed_in_sees_the_notice_and_one_button() -> None:
    app = AppTest.from_file(MAIN, default_timeout=120)
    app.user = {"is_logged_in": False}
    app.run()
    assert not app.exception
    assert [button.label for button in app.button] == ["Sign in"]
    assert not app.file_uploader
    assert [title.value for title in app.title] == ["Sign in"]


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        (ADA, "ada@example.org"),
        ({**ADA, "email_verified": True}, "ada@example.org"),
        ({**ADA, "email_verified": False}, "Ada"),
        ({**ADA, "email_verified": False, "preferred_username": "ada"}, "ada"),
        ({"is_logged_in": True, "sub": "4711"}, "4711"),
        ({**ADA, "is_logged_in": False}, None),
        ({"email": "test@example.com"}, None),  # no sign-in is configured
    ],
)
def test_the_users_name_is_one_that_the_provider_vouches_for(claims: dict[str, object], expected: str | None) -> None:
    assert name_in(claims) == expected
