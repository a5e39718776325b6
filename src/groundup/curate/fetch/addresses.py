"""Connections to public addresses only: what a list of pages names may not reach into the own network."""

import ipaddress
import socket
import ssl
from http.client import HTTPConnection, HTTPSConnection

from groundup.curate.fetch.outcome import Refused

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Return whether an IP address is reachable by everyone, addresses within addresses looked into."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in _NAT64:
            inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if not all(is_public(str(one)) for one in inner if one is not None):
            return False
        if any(one is not None for one in inner):
            return True
    return ip.is_global and not ip.is_multicast


def connect(host: str, port: int, timeout_s: float, allow_private: bool) -> socket.socket:
    """Return a connection to the host; raise Refused if one of its addresses is not public.

    The addresses that were looked at are those connected to: a second look-up could give others.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not allow_private:
        for *_, place in found:
            if not is_public(str(place[0])):
                raise Refused("private_address", f"{host} is {place[0]}, which is not public; --allow-private fetches from there")
    trouble: OSError = OSError(f"{host} has no address")
    for family, kind, protocol, _, place in found:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(timeout_s)
            connection.connect(place)
        except OSError as error:
            connection.close()
            trouble = error
        else:
            return connection
    raise trouble


class PublicConnection(HTTPConnection):
    """HTTP to public addresses."""

    def __init__(self, host: str, port: int, timeout_s: float, allow_private: bool) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._timeout_s, self._allow_private = timeout_s, allow_private

    def connect(self) -> None:
        self.sock = connect(self.host, self.port, self._timeout_s, self._allow_private)


class PublicSecureConnection(HTTPSConnection):
    """HTTPS to public addresses, certificates checked."""

    def __init__(self, host: str, port: int, timeout_s: float, allow_private: bool) -> None:
        self._secure = ssl.create_default_context()
        super().__init__(host, port, timeout=timeout_s, context=self._secure)
        self._timeout_s, self._allow_private = timeout_s, allow_private

    def connect(self) -> None:
        plain = connect(self.host, self.port, self._timeout_s, self._allow_private)
        try:
            self.sock = self._secure.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise
