"""The address of the page for people on other machines."""

from __future__ import annotations

from pipeline.config import PageSettings
from tests.fakes.cases import each


@each(
    ("listen", "public_url", "address"),
    [
        ("127.0.0.1:8640", "https://pictures.example.com", "https://pictures.example.com"),
        ("10.0.0.5:8640", "", "http://10.0.0.5:8640"),
        ("[fd00::5]:8640", "", "http://[fd00::5]:8640"),
        ("pictures.local:8640", "", "http://pictures.local:8640"),
        *((f"{host}:8640", "", "") for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0")),
        *((f"{host}:8640", "", "") for host in ("[::]", "")),
    ],
)
def test_an_address_is_one_that_other_machines_can_reach(
    listen: str, public_url: str, address: str
) -> None:
    page = PageSettings(wanted=True, listen=listen, public_url=public_url)
    assert page.address == address
    assert PageSettings(listen=listen).address == ""
