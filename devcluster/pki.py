"""The certificates of a cluster: two authorities, and everyone they vouch for.

Everything is made in one go into a folder that appears by one rename, and lasts as long as the
cluster.
"""

import datetime
import shutil
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devcluster.layout import CLUSTER_DOMAIN, MAX_NODES, Layout

_VALID = datetime.timedelta(days=365)
_BACKDATE = datetime.timedelta(minutes=5)


@dataclass(frozen=True)
class Identity:
    """What one certificate says: user name, groups, and where it may serve."""

    file: str
    user: str
    groups: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    addresses: tuple[IPv4Address, ...] = ()
    authority: str = "ca"


def identities(layout: Layout) -> list[Identity]:
    """Everyone who needs a certificate; nodes for as many as a cluster may ever have."""
    loopback = IPv4Address("127.0.0.1")
    service = "kubernetes.default.svc"
    found = [
        Identity("admin", "kubernetes-admin", ("system:masters",)),
        Identity("controller-manager", "system:kube-controller-manager"),
        Identity("scheduler", "system:kube-scheduler"),
        Identity("proxy", "system:kube-proxy"),
        Identity("apiserver-kubelet", "kube-apiserver", ("system:masters",)),
        Identity("front-proxy", "front-proxy-client", authority="front-proxy-ca"),
        Identity(
            "apiserver",
            "kube-apiserver",
            names=(
                "localhost",
                "kubernetes",
                "kubernetes.default",
                service,
                f"{service}.{CLUSTER_DOMAIN}",
            ),
            addresses=(loopback, layout.node(1).address, layout.kubernetes_service),
        ),
    ]
    for number in range(1, MAX_NODES + 1):
        node = layout.node(number)
        found.append(
            Identity(
                node.name,
                f"system:node:{node.name}",
                ("system:nodes",),
                (node.name,),
                (node.address, loopback),
            )
        )
    return found


def create(layout: Layout, now: datetime.datetime | None = None) -> None:
    """Write key and certificate of everyone below `layout.pki`, unless they are there."""
    if layout.pki.is_dir():
        return
    moment = now or datetime.datetime.now(datetime.UTC)
    staging = layout.pki.with_suffix(".new")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True, mode=0o700)
    authorities = {
        name: _authority(staging, name, f"{layout.name} {name}", moment)
        for name in ("ca", "front-proxy-ca")
    }
    for identity in identities(layout):
        _issue(staging, identity, *authorities[identity.authority], moment)
    _write_key(staging / "service-accounts.key", ec.generate_private_key(ec.SECP256R1()))
    staging.rename(layout.pki)


_Key = ec.EllipticCurvePrivateKey


def _authority(
    folder: Path, name: str, subject: str, now: datetime.datetime
) -> tuple[x509.Certificate, _Key]:
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    certificate = (
        _builder(who, who, key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(folder / name, key, certificate)
    return certificate, key


def _issue(
    folder: Path,
    identity: Identity,
    authority: x509.Certificate,
    authority_key: _Key,
    now: datetime.datetime,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    who = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in identity.groups]
    who.append(x509.NameAttribute(NameOID.COMMON_NAME, identity.user))
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in identity.names]
    names += [x509.IPAddress(address) for address in identity.addresses]
    builder = (
        _builder(x509.Name(who), authority.subject, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
            ),
            critical=False,
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    _write(folder / identity.file, key, builder.sign(authority_key, hashes.SHA256()))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: _Key, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not signs_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write(stem: Path, key: _Key, certificate: x509.Certificate) -> None:
    _write_key(stem.with_name(f"{stem.name}.key"), key)
    stem.with_name(f"{stem.name}.crt").write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
    )


def _write_key(path: Path, key: _Key) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
