import pytest

from formats.url import distinct, is_tracker_url, is_web_seed_url, origin


@pytest.mark.parametrize(
    "good",
    [
        "http://tracker.example/announce",
        "HTTPS://tracker.example:443/a?passkey=1",
        "udp://[2001:db8::1]:6969",
    ],
)
def test_t8_schemes_of_trackers(good: str) -> None:
    assert is_tracker_url(good)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "tracker.example",
        "file:///etc/passwd",
        "ftp://seed.example/",
        "ws://tracker.example/",
        "wss://tracker.example/",
        "javascript:alert(1)",
        "http:///no-host",
        "http://host:0/",
        "http://host:99999/",
        "http://[::1/",
        "http://host/with space",
        "http://host/\r\nHost: other",
        "http://host/\u202egpj",
        "http://host/" + "x" * 1013,
        "http://host/" + "é" * 600,
    ],
)
def test_t8_other_urls_are_dropped(bad: str) -> None:
    assert not is_tracker_url(bad)
    assert not is_web_seed_url(bad)


def test_t8_longest_url() -> None:
    assert is_web_seed_url("http://host/" + "x" * 1012)


def test_t8_web_seeds_are_http() -> None:
    assert is_web_seed_url("http://seed.example/")
    assert not is_web_seed_url("udp://seed.example:1/")


def test_t8_first_different_good_ones_are_kept() -> None:
    texts = ["http://a/", "bad", "http://b/", "http://a/", "http://c/"]
    assert distinct(texts, is_tracker_url, at_most=2) == ("http://a/", "http://b/")
    assert distinct(["bad"] * 1_000_000 + ["http://a/"], is_tracker_url, at_most=2) == ()


def test_t8_a_log_shows_no_credentials_and_no_look_alikes() -> None:
    assert origin("http://me:secret@t.example:80/passkey/announce?k=1") == "http://t.example:80"
    assert origin("udp://[2001:db8::1]:6969/x") == "udp://[2001:db8::1]:6969"
    assert origin("https://\u0430pple.example/") == "https://xn--pple-43d.example"
    assert origin("http://[") == "(not a URL)"
