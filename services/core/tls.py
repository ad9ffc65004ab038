"""The TLS settings of this process as a client."""

import ssl
from functools import cache


@cache
def client_context() -> ssl.SSLContext:
    """Return the context for all connections to servers with a certificate, made at the first call.

    Reading the system's certificates, or those of SSL_CERT_FILE, takes 25 ms of CPU time.
    """
    return ssl.create_default_context()
