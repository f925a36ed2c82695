"""TLS: whom to trust, and who to be. A value that anybody may hold; ssl is imported when a connection wants it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kitops_orchestration import settings
from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How servers are trusted and how this client shows who it is.

    ``ca_bundle`` (a file or a directory of PEM certificates) replaces the system's authorities.
    ``client_key`` may be left out when ``client_certificate`` holds it; without a certificate the variables
    ``KITOPS_CLIENT_CERT`` and ``KITOPS_CLIENT_KEY`` name them.
    """

    verify: bool = True
    ca_bundle: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    more_authorities: tuple[Path, ...] = ()
    """Files of authorities that are trusted as well."""

    def context(self) -> ssl.SSLContext:
        """Build the TLS context; raises :class:`KitOpsError` for a file that cannot be used."""
        import ssl

        bundle = self.ca_bundle or settings.ca_bundle_path()
        certificate, key = self.client_certificate, self.client_key
        if certificate is None:
            certificate, key = settings.client_certificate_paths()
        try:
            context = _context(bundle)
            for authority in self.more_authorities:
                context.load_verify_locations(str(authority))
            if certificate is not None:
                context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(str(path) for path in (bundle, *self.more_authorities, certificate, key) if path)
            raise KitOpsError(f"cannot use the TLS files {files}: {error}", advice="give PEM files") from error
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass(frozen=True, slots=True)
class RegistryOptions:
    """How one registry is reached, where that is not how a client's others are."""

    plain_http: bool | None = None
    """``None`` is http for this machine's own addresses, https for all others."""
    tls: TlsOptions | None = None
    proxy: str | None = None
    """``http://host:port``"""


def _context(bundle: Path | None) -> ssl.SSLContext:
    import ssl

    if bundle is None:
        context = ssl.create_default_context()
        paths = ssl.get_default_verify_paths()
        if paths.cafile is None and paths.capath is None:  # an interpreter built without a system's store
            import certifi

            context.load_verify_locations(certifi.where())
    elif bundle.is_dir():
        context = ssl.create_default_context(capath=str(bundle))
    else:
        context = ssl.create_default_context(cafile=str(bundle))
    context.set_alpn_protocols(["http/1.1"])
    return context
