"""How clients reach the broker: plain text on loopback, TLS, or SCRAM over TLS. The same for every client."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from faststream.security import BaseSecurity, SASLScram512

Protocol = Literal["PLAINTEXT", "SSL", "SASL_SSL"]


@dataclass(frozen=True, slots=True)
class Security:
    """Transport and identity of one process."""

    protocol: Protocol = "PLAINTEXT"
    username: str = ""
    password: str = ""
    ca: Path | None = None

    def of_clients(self) -> dict[str, Any]:
        """Return what an aiokafka client is given."""
        options: dict[str, Any] = {"security_protocol": self.protocol}
        if self.protocol != "PLAINTEXT":
            options["ssl_context"] = self._context()
        if self.protocol == "SASL_SSL":
            options |= {
                "sasl_mechanism": "SCRAM-SHA-512",
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return options

    def of_broker(self) -> BaseSecurity | None:
        """Return what a FastStream broker is given."""
        if self.protocol == "PLAINTEXT":
            return None
        if self.protocol == "SSL":
            return BaseSecurity(ssl_context=self._context(), use_ssl=True)
        return SASLScram512(self.username, self.password, ssl_context=self._context(), use_ssl=True)

    def _context(self) -> ssl.SSLContext:
        # Host names are checked and TLS is 1.2 or newer: Python's defaults, stated by nobody else.
        return ssl.create_default_context(cafile=str(self.ca) if self.ca else None)


PLAINTEXT: Final = Security()
