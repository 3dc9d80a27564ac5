#!/usr/bin/env python3
"""As much of a certificate transparency log as Fulcio needs: it signs timestamps (RFC 6962 §3.2), and keeps no tree.

usage: ct_log.py PORT KEY.pem ROOTS.pem
"""
import base64
import hashlib
import http.server
import json
import pathlib
import struct
import sys
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DER = serialization.Encoding.DER
# The extension that keeps a precertificate from being used: 1.3.6.1.4.1.11129.2.4.3, critical, NULL.
POISON = bytes.fromhex("3013" "060a2b06010401d679020403" "0101ff" "04020500")
EXTENSIONS = 0xA3
SEQUENCE = 0x30
X509_ENTRY, PRECERT_ENTRY = 0, 1


def public_der(key):
    return key.public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def children(content):
    """The elements in a constructed DER value, each as (tag, whole element, its content)."""
    at = 0
    while at < len(content):
        head, size = at + 2, content[at + 1]
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(content[head:head + count], "big")
            head += count
        yield content[at], content[at:head + size], content[head:head + size]
        at = head + size


def element(tag, content):
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    encoded = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(encoded)]) + encoded + content


def without_poison(tbs):
    """The certificate as it will be signed. (`cryptography` can only take out an SCT list, not the poison.)"""
    (_, _, fields), = children(tbs)
    kept, found = b"", 0
    for tag, whole, content in children(fields):
        if tag != EXTENSIONS:
            kept += whole
            continue
        (_, _, extensions), = children(content)
        listed = [extension for _, extension, _ in children(extensions)]
        found = listed.count(POISON)
        kept += element(EXTENSIONS, element(SEQUENCE, b"".join(e for e in listed if e != POISON)))
    if found != 1:
        raise ValueError("not a precertificate")
    return element(SEQUENCE, kept)


class Log:
    def __init__(self, key, roots):
        self.key = serialization.load_pem_private_key(key.read_bytes(), password=None)
        self.id = hashlib.sha256(public_der(self.key.public_key())).digest()
        self.roots = [certificate.public_bytes(DER) for certificate in x509.load_pem_x509_certificates(roots.read_bytes())]

    def accept(self, chain, is_precertificate):
        now = int(time.time() * 1000)
        if is_precertificate:
            leaf, issuer = (x509.load_der_x509_certificate(der) for der in chain[:2])
            leaf.verify_directly_issued_by(issuer)
            issuer_key = hashlib.sha256(public_der(issuer.public_key())).digest()
            kind, logged = PRECERT_ENTRY, issuer_key + sized(without_poison(leaf.tbs_certificate_bytes))
        else:
            kind, logged = X509_ENTRY, sized(chain[0])
        # version 1, signature type "certificate timestamp", time, entry, no extensions
        signed = struct.pack(">BBQH", 0, 0, now, kind) + logged + b"\0\0"
        signature = self.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        digitally_signed = struct.pack(">BBH", 4, 3, len(signature)) + signature  # SHA-256 with ECDSA
        return {"sct_version": 0, "id": text(self.id), "timestamp": now, "extensions": "", "signature": text(digitally_signed)}


def sized(der):
    return len(der).to_bytes(3, "big") + der


def text(raw):
    return base64.b64encode(raw).decode()


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log = None

    def do_GET(self):
        if self.path == "/ct/v1/get-roots":
            self.answer(200, {"certificates": [text(der) for der in self.log.roots]})
        else:
            self.answer(404, {"error_message": "no such page"})

    def do_POST(self):
        try:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            chain = [base64.b64decode(certificate) for certificate in body["chain"]]
            self.answer(200, self.log.accept(chain, self.path == "/ct/v1/add-pre-chain"))
        except Exception as why:  # whatever is wrong with a submission is the submitter's
            self.answer(400, {"error_message": repr(why)})

    def answer(self, status, value):
        raw = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


Service.log = Log(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Service).serve_forever()
