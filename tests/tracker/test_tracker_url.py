import pytest
from yarl import URL

from tracker.errors import TrackerError
from tracker.tracker_url import parse_udp_url, parse_url, redirected, scrape_url, with_query


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://t.example/announce", "http://t.example/announce?q=%00%ff"),
        ("http://t.example:80/announce#top", "http://t.example/announce?q=%00%ff"),
        ("https://t.example/a%2fb/announce?pass=%41", "https://t.example/a%2fb/announce?pass=%41&q=%00%ff"),
        ("http://t.example/a b\x7f/announce", "http://t.example/a%20b%7F/announce?q=%00%ff"),
        ("http://[2001:db8::1]:6969/announce", "http://[2001:db8::1]:6969/announce?q=%00%ff"),
    ],
)  # fmt: skip
def test_our_query_is_added_without_touching_an_escape(url: str, asked: str) -> None:
    assert str(with_query(parse_url(url), "q=%00%ff")) == asked


@pytest.mark.parametrize(
    "url",
    ["", "t.example", "udp://t.example:80/announce", "file:///etc/passwd", "http://", "http:///x",
     "http://t:99999/", "http://t:0/", "http://[::1/announce", "http://t:x/", "ftp://t/announce",
     "http://t.ex\x14ample/", "http://t example/announce", "http://t\x7f/announce"],
)  # fmt: skip
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(TrackerError, match="not an http or https URL"):
        parse_url(url)


def test_udp_urls_have_a_host_and_a_port() -> None:
    url = parse_udp_url("UDP://tracker.example:6969/a%2fb?c=%41#top")
    assert (url.raw_host, url.port, url.raw_path_qs) == ("tracker.example", 6969, "/a%2fb?c=%41")
    assert parse_udp_url("udp://[2001:db8::1]:6969").raw_host == "2001:db8::1"


@pytest.mark.parametrize(
    "url",
    ["", "udp://t.example", "udp://t.example/announce", "udp://:6969/", "udp://t:0/",
     "udp://t:65536/", "http://t.example:6969/announce", "udp:t.example:6969", "udp://t\x7f:1/"],
)  # fmt: skip
def test_other_udp_urls_are_refused(url: str) -> None:
    with pytest.raises(TrackerError, match="not a udp URL with a host and a port"):
        parse_udp_url(url)


def test_names_beyond_ascii_are_punycode() -> None:
    assert parse_url("http://träcker.example/announce").raw_host == "xn--trcker-cua.example"


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/x?y=1", "https://t.example/x?y=1"),
        ("https://other.example:8443/announce?a=%2F", "https://other.example:8443/announce?a=%2F"),
        ("//other.example/b", "https://other.example/b"),
    ],
)
def test_redirects_are_relative_to_where_they_came_from(location: str, target: str) -> None:
    assert str(redirected(URL("https://t.example/announce?z=1"), location)) == target


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("", "leads nowhere"),
        ("http://[::1", "leads nowhere"),
        ("//[::1]@", "leads nowhere"),
        ("ftp://t.example/", "something else than http"),
        ("file:///etc/passwd", "something else than http"),
        ("gopher://t.example:70/", "something else than http"),
        ("http://t.example/announce", "from https to http"),
    ],
)
def test_c2_a_redirect_that_may_not_be_followed(location: str, sentence: str) -> None:
    with pytest.raises(TrackerError, match=sentence):
        redirected(URL("https://t.example/announce"), location)


@pytest.mark.parametrize(
    ("announce", "scrape"),
    [
        ("http://example.com/announce", "http://example.com/scrape"),
        ("http://example.com/x/announce", "http://example.com/x/scrape"),
        ("http://example.com/announce.php", "http://example.com/scrape.php"),
        ("http://example.com/announce?x2%0644", "http://example.com/scrape?x2%0644"),
    ],
)
def test_scrape_urls(announce: str, scrape: str) -> None:
    assert scrape_url(announce) == scrape


@pytest.mark.parametrize("url", ["http://example.com/a", "http://x/x%064announce", "announce"])
def test_a_url_without_a_place_for_scrape(url: str) -> None:
    with pytest.raises(TrackerError, match="no place for a scrape"):
        scrape_url(url)
