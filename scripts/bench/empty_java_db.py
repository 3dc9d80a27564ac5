#!/usr/bin/env python3
"""An empty Java database for Trivy: with JARs in an image it refuses to work without one, even offline.

usage: empty_java_db.py FOLDER
"""
import json
import pathlib
import sqlite3
import sys

folder = pathlib.Path(sys.argv[1])
with sqlite3.connect(folder / "trivy-java.db") as database:
    database.executescript("""
        CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT);
        CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT,
          FOREIGN KEY (artifact_id) REFERENCES artifacts(id));
        CREATE UNIQUE INDEX artifacts_idx ON artifacts(artifact_id, group_id);
        CREATE INDEX indices_artifact_idx ON indices(artifact_id);
        CREATE UNIQUE INDEX indices_sha1_idx ON indices(sha1);
    """)
far = "2099-01-01T00:00:00Z"
(folder / "metadata.json").write_text(json.dumps({"Version": 1, "NextUpdate": far, "UpdatedAt": "2025-01-01T00:00:00Z", "DownloadedAt": far}))
