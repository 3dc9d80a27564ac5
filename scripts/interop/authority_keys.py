#!/usr/bin/env python3
"""Keys and CA certificates of the local Sigstore services. Files that exist are kept, so a restart keeps its trust root.

usage: authority_keys.py DIR
  ca.pem ca.key ca.password          Fulcio's issuing CA and its root; the key is encrypted, as Fulcio wants it
  stamper.pem stamper.key            the timestamp authority's certificate and its root
  ct.key ct.pub, rekor.key rekor.pub the two logs
  people.key, workflows.key          the two token issuers (RSA)
"""
import datetime
import pathlib
import secrets
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

START = datetime.datetime.now(datetime.UTC).replace(microsecond=0) - datetime.timedelta(hours=2)
END = START + datetime.timedelta(days=365)
SIGN_ONLY = dict(content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
                 encipher_only=False, decipher_only=False)


class Authority:
    """A certificate with its key; self-signed where it has no issuer."""

    def __init__(self, name, issuer=None, depth=None, usage=None):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "countersign interop"),
                               x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer = issuer or self
        is_ca = depth is not None
        builder = (
            x509.CertificateBuilder(subject_name=self.name, issuer_name=signer.name, public_key=self.key.public_key(),
                                    serial_number=x509.random_serial_number(), not_valid_before=START, not_valid_after=END)
            .add_extension(x509.BasicConstraints(is_ca, depth), critical=True)
            .add_extension(x509.KeyUsage(digital_signature=not is_ca, key_cert_sign=is_ca, crl_sign=is_ca, **SIGN_ONLY), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
        )
        if usage:
            # RFC 3161 demands a critical extended key usage on the stamping certificate, and on nothing else.
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=not is_ca)
        self.pem = builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def private_pem(key, password=None):
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


def public_pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def main(folder):
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(name, content):
        path = folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)

    if (folder / "complete").exists():
        return
    root = Authority("fulcio root", depth=1)
    issuing = Authority("fulcio issuing", root, depth=0, usage=ExtendedKeyUsageOID.CODE_SIGNING)
    password = secrets.token_hex(16).encode()
    put("ca.pem", issuing.pem + root.pem)
    put("ca.key", private_pem(issuing.key, password))
    put("ca.password", password)
    stamp_root = Authority("timestamp root", depth=0)
    stamper = Authority("timestamp", stamp_root, usage=ExtendedKeyUsageOID.TIME_STAMPING)
    put("stamper.pem", stamper.pem + stamp_root.pem)
    put("stamper.key", private_pem(stamper.key))
    for name, key in (("ct", ec.generate_private_key(ec.SECP256R1())), ("rekor", ed25519.Ed25519PrivateKey.generate())):
        put(f"{name}.key", private_pem(key))
        put(f"{name}.pub", public_pem(key))
    for name in ("people", "workflows"):
        put(f"{name}.key", private_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    put("complete", b"")


main(pathlib.Path(sys.argv[1]))
