#!/usr/bin/env python3
"""Two OpenID Connect issuers on one loopback port, for tests that need an identity token.

  BASE/people      e-mail identities            BASE/people/token?email=a@b.c
  BASE/workflows   GitHub-Actions-like tokens   BASE/workflows/token?repository=o/r&ref=refs/tags/v1.2.3

Every query parameter is a claim and replaces the default; an empty one removes it; `lifetime` is in seconds and may be
negative. `--fulcio-config` prints the configuration that makes Fulcio accept both.

usage: token_issuer.py PORT KEYDIR | token_issuer.py PORT --fulcio-config
"""
import base64
import hashlib
import http.server
import json
import pathlib
import sys
import time
import urllib.parse

AUDIENCE = "sigstore"
COMMIT = "0123456789abcdef0123456789abcdef01234567"

# Extension of the certificate ← claim or template, as the public instance does for GitHub Actions.
GITHUB_EXTENSIONS = {
    "BuildConfigDigest": "workflow_sha",
    "BuildConfigURI": "{{ .url }}/{{ .workflow_ref }}",
    "BuildSignerDigest": "job_workflow_sha",
    "BuildSignerURI": "{{ .url }}/{{ .job_workflow_ref }}",
    "BuildTrigger": "event_name",
    "GithubWorkflowName": "workflow",
    "GithubWorkflowRef": "ref",
    "GithubWorkflowRepository": "repository",
    "GithubWorkflowSHA": "sha",
    "GithubWorkflowTrigger": "event_name",
    "RunInvocationURI": "{{ .url }}/{{ .repository }}/actions/runs/{{ .run_id }}/attempts/{{ .run_attempt }}",
    "RunnerEnvironment": "runner_environment",
    "SourceRepositoryDigest": "sha",
    "SourceRepositoryIdentifier": "repository_id",
    "SourceRepositoryOwnerIdentifier": "repository_owner_id",
    "SourceRepositoryOwnerURI": "{{ .url }}/{{ .repository_owner }}",
    "SourceRepositoryRef": "ref",
    "SourceRepositoryURI": "{{ .url }}/{{ .repository }}",
    "SourceRepositoryVisibilityAtSigning": "repository_visibility",
}


def fulcio_config(base):
    def issuer(name, **how):
        return {f"{base}/{name}": {"IssuerURL": f"{base}/{name}", "ClientID": AUDIENCE, **how}}

    return {
        "OIDCIssuers": {**issuer("people", Type="email"), **issuer("workflows", Type="ci-provider", CIProvider="github")},
        "CIIssuerMetadata": {"github": {
            "DefaultTemplateValues": {"url": "https://github.com"},
            "ExtensionTemplates": GITHUB_EXTENSIONS,
            "SubjectAlternativeNameTemplate": "{{ .url }}/{{ .job_workflow_ref }}",
        }},
    }


def person(asked):
    email = asked.get("email", "releaser@example.com")
    return {"sub": email, "email": email, "email_verified": True}


def workflow(asked):
    repository = asked.get("repository", "example-org/app")
    ref = asked.get("ref", "refs/tags/v1.2.3")
    file = f"{repository}/.github/workflows/gate.yml@{ref}"
    return {
        "sub": f"repo:{repository}:ref:{ref}", "repository": repository, "repository_owner": repository.split("/")[0],
        "repository_id": "11", "repository_owner_id": "22", "repository_visibility": "public", "ref": ref, "sha": COMMIT,
        "workflow": "gate", "workflow_ref": file, "workflow_sha": COMMIT, "job_workflow_ref": file, "job_workflow_sha": COMMIT,
        "event_name": "push", "run_id": "33", "run_attempt": "1", "runner_environment": "github-hosted",
    }


def base64url(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Issuer:
    def __init__(self, url, key, claims):
        from cryptography.hazmat.primitives import serialization
        self.url, self.claims = url, claims
        self.key = serialization.load_pem_private_key(key.read_bytes(), password=None)
        numbers = self.key.public_key().public_numbers()
        modulus = base64url(numbers.n.to_bytes(self.key.key_size // 8, "big"))
        exponent = base64url(numbers.e.to_bytes(3, "big"))
        self.key_id = hashlib.sha256(modulus.encode()).hexdigest()[:12]
        self.key_set = {"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.key_id, "n": modulus, "e": exponent}]}
        self.discovery = {
            "issuer": url, "jwks_uri": f"{url}/keys", "authorization_endpoint": f"{url}/authorize", "token_endpoint": f"{url}/token",
            "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def token(self, asked):
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding
        now = int(time.time())
        end = now + int(asked.pop("lifetime", "600"))
        claims = {"iss": self.url, "aud": AUDIENCE, "iat": min(now, end) - 1, "exp": end, **self.claims(asked), **asked}
        if isinstance(claims.get("email_verified"), str):
            claims["email_verified"] = claims["email_verified"] == "true"
        claims = {name: value for name, value in claims.items() if value != ""}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT", "kid": self.key_id}, claims))
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{base64url(signature)}"


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    issuers = {}

    def do_GET(self):
        where = urllib.parse.urlsplit(self.path)
        name, _, what = where.path.lstrip("/").partition("/")
        issuer = self.issuers.get(name)
        if issuer and what == ".well-known/openid-configuration":
            self.answer(200, json.dumps(issuer.discovery), "application/json")
        elif issuer and what == "keys":
            self.answer(200, json.dumps(issuer.key_set), "application/json")
        elif issuer and what == "token":
            self.answer(200, issuer.token(dict(urllib.parse.parse_qsl(where.query, keep_blank_values=True))), "text/plain")
        else:
            self.answer(404, "no such page\n", "text/plain")

    def answer(self, status, text, kind):
        raw = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


def main(port, what):
    base = f"http://127.0.0.1:{port}"
    if what == "--fulcio-config":
        print(json.dumps(fulcio_config(base), indent=2))
        return
    keys = pathlib.Path(what)
    Service.issuers = {"people": Issuer(f"{base}/people", keys / "people.key", person),
                       "workflows": Issuer(f"{base}/workflows", keys / "workflows.key", workflow)}
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Service).serve_forever()


main(int(sys.argv[1]), sys.argv[2])
