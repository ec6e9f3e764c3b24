import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.errors import StorageError
from ablate.spec.secrets import mask
from ablate.store import Store
from ablate.store.urls import parse_url, show_url

secrets = st.text(
    st.characters(codec="ascii", categories=["L", "N"], include_characters="!*+@:-_"), min_size=6
)


@given(secret=secrets, before=st.text(), after=st.text(st.characters(exclude_characters="@")))
def test_no_password_of_a_url_survives_masking(secret, before, after):
    hidden = mask(f"{before} postgresql://ann:{secret}@host/db {after}")
    assert f":{secret}@" not in hidden
    assert "postgresql://ann:***@host/db" in hidden


@given(st.text(st.characters(exclude_characters="@=")))
def test_a_text_without_secrets_stays_as_it_is(text):
    assert mask(text) == text


def test_a_password_given_as_an_option_is_hidden():
    url = parse_url("postgresql://host/db?user=ann&password=hunter2")
    assert "hunter2" not in show_url(url)
    assert "hunter2" not in mask("at postgresql://host/db?user=ann&password=hunter2")


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("", "is not a database URL"),
        ("results/ablate.db", "is not a database URL"),
        ("ann:hunter2@host", "is not a database URL"),
        ("postgresql://ann:hunter2@host:port/db", "is not a database URL"),
        ("postgres://ann:hunter2@host/db", "write postgresql://"),
        ("mysql://ann:hunter2@host/db", "of an unknown kind"),
        ("redis://:hunter2@host", "of an unknown kind"),
        ("sqlite://", "does not name a database file"),
        ("sqlite:///:memory:", "does not name a database file"),
        ("sqlite:///file:a.db?uri=true", "does not name a database file"),
    ],
)
def test_a_url_that_names_no_usable_database_is_refused_without_its_password(url, hint):
    with pytest.raises(StorageError, match=hint) as caught:
        Store.open(url, create=True)
    assert "hunter2" not in str(caught.value)


def test_a_missing_driver_is_named():
    with pytest.raises(StorageError, match="pip install") as caught:
        Store.open("postgresql+pg8000://ann:hunter2@localhost/db", create=True)
    assert "pg8000" in str(caught.value)
    assert "hunter2" not in str(caught.value)
