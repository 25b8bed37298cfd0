import pytest

from dht.address_limits import AddressLimits
from formats.endpoint import Endpoint


class TestPlace:
    def test_ipv4_counts_by_address_24_and_16(self):
        place = AddressLimits().place(Endpoint("20.1.2.3", 6881))
        assert place == ("20.1.2.3", "20.1.2", "20.1")

    def test_ipv6_counts_by_address_56_and_32(self):
        place = AddressLimits().place(Endpoint("2600:1:2:3::4", 6881))
        assert place is not None
        assert place.subnet == bytes.fromhex("26000001000200")
        assert place.network == bytes.fromhex("26000001")

    @pytest.mark.parametrize(
        "host",
        ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1", "::1", "fd00::1"],
    )
    def test_local_addresses_only_if_allowed_and_then_without_limits(self, host):
        endpoint = Endpoint(host, 6881)
        assert AddressLimits().place(endpoint) is None
        place = AddressLimits(allow_local=True).place(endpoint)
        assert place == (str(endpoint), None, None)

    @pytest.mark.parametrize("host", ["0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.2.1", "::"])
    def test_addresses_of_nobody_never(self, host):
        assert AddressLimits(allow_local=True).place(Endpoint(host, 6881)) is None
