#!/usr/bin/env bash
# Java archives from Maven Central: with and without a description of their own, in a war in an ear, merged into one, and
# in a program that begins with a script, as Spring Boot makes them. Trivy looks archives without a description up by
# their checksum, so it is given theirs (java-db.tsv); countersign has to do without.
set -euo pipefail
root=$1/root jars=$1/jars known=$1/java-db.tsv
central=https://repo1.maven.org/maven2
mkdir -p "$root/opt/lib" "$root/opt/app" "$jars"
get() { # GROUP ARTIFACT VERSION SHA1
  local file=$2-$3.jar
  curl --silent --show-error --fail --location --retry 3 --output "$jars/$file" "$central/${1//.//}/$2/$3/$file"
  echo "$4  $jars/$file" | sha1sum --check --quiet
  printf '%s\t%s\t%s\t%s\n' "$@" >>"$known"
}
get org.apache.logging.log4j log4j-core 2.14.1 9141212b8507ab50a45525b545b39d224614528b
get com.fasterxml.jackson.core jackson-databind 2.9.8 11283f21cc480aa86c4df7a0a3243ec508372ed2
get commons-collections commons-collections 3.2.1 761ea405b9b37ced573d2df0d1e3a4e0f9edc668
get org.yaml snakeyaml 1.26 a78a8747147d2c5807683e76ec2b633e95c14fe9
get io.netty netty-codec-http 4.1.50.Final db33e6bc697a038dc110da4a2e2a8989257a6a11
get org.springframework spring-core 5.3.4 46c1f8abd9e02a292c42a257350f365cec152b5d
get org.springframework spring-web 5.3.4 d93829e24a50ed22e781f2302680a210cac5ee84
get org.springframework.boot spring-boot 2.4.3 de2bd17a8eb9bc3dfa629aa06f2e9fe3bf603c85
get org.springframework.boot spring-boot-autoconfigure 2.4.3 2f8e1e682e55f70c8ea557982c7adb1256f41bcf
get org.springframework.security spring-security-web 5.4.4 1b75dbe4b575a72af251e60b69419c11d3a2525a
get org.apache.tomcat.embed tomcat-embed-core 9.0.30 ad32909314fe2ba02cec036434c0addd19bcc580
get org.bouncycastle bcprov-jdk15on 1.60 bd47ad3bd14b8e82595c7adaa143501e60842a84
get org.jetbrains.kotlin kotlin-stdlib 1.4.10 ea29e063d2bbe695be13e9d044dcfb0c7add398e
get com.squareup.okhttp3 okhttp 4.9.0 08e17601d3bdc8cf57902c154de021931d2c27c1
get com.squareup.okio okio 2.8.0 49b64e09d81c0cc84b267edd0c2fd7df5a64c78c
get org.postgresql postgresql 42.2.5 951b7eda125f3137538a94e2cbdcf744088ad4c2
get com.h2database h2 1.4.199 7bf08152984ed8859740ae3f97fae6c72771ae45
get io.grpc grpc-core 1.36.0 17a7f3287439c1d2641fabc4d767e7de4ebb05e5
get io.projectreactor.netty reactor-netty-http 1.0.4 7d14c304426cda3e6c7d55102bd04a78d2337814
get org.codehaus.groovy groovy 2.4.7 10870e6511f544ce45152d0ad08d7514a00c8201
get org.apache.kafka kafka-clients 2.5.0 dd97db58ba8dd184028e9dd5d7934dd654942232
get io.micrometer micrometer-core 1.6.4 f91b9be9301947483ee3ab7f0874c1dad3cb04f7
get org.apache.lucene lucene-core 8.6.0 fcf8e32dd9e3f88d28072a2ffb829405d630dc22
get org.springframework.data spring-data-commons 2.4.5 571945cb8debeb12815cb3bf6554bd5e388935e5
get mysql mysql-connector-java 8.0.15 1cd928d0f1a93563993ce1d8b468217ea0d19b11
get org.hibernate hibernate-core 5.4.10.Final 365690f87b040dc5d22cc24a4daff76d1cffef23
cp "$jars"/*.jar "$root/opt/lib"
# Another name changes nothing for an archive that describes itself.
cp "$jars/log4j-core-2.14.1.jar" "$root/opt/app/logging.jar"
printf 'no description and no name\n' >"$jars/readme"
python3 - "$jars" "$root/opt/app" <<'PY'
import io, pathlib, sys, zipfile
jars, out = map(pathlib.Path, sys.argv[1:])

def archive(entries, method):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as target:
        for name, content in entries:
            target.writestr(zipfile.ZipInfo(name), content, method)
    return packed.getvalue()

def streamed(entries):
    """Sizes behind the content, as the jar tool writes them."""
    class Pipe(io.RawIOBase):
        def __init__(self): self.parts = []
        def writable(self): return True
        def write(self, piece): self.parts.append(bytes(piece)); return len(piece)
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in entries:
            with target.open(zipfile.ZipInfo(name), "w") as entry:
                entry.write(content)
    return b"".join(pipe.parts)

def jar(name):
    return (jars / name).read_bytes()

manifest = ("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\nMain-Class: example.Main\n\n")
war = streamed([manifest] + [(f"WEB-INF/lib/{n}", jar(n)) for n in ("snakeyaml-1.26.jar", "spring-web-5.3.4.jar")])
(out / "site.war").write_bytes(war)
(out / "bundle.ear").write_bytes(archive([("site.war", war), ("lib/okhttp-4.9.0.jar", jar("okhttp-4.9.0.jar"))], zipfile.ZIP_DEFLATED))
boot = archive([manifest] + [(f"BOOT-INF/lib/{p.name}", p.read_bytes()) for p in sorted(jars.glob("*.jar"))[:12]], zipfile.ZIP_STORED)
(out / "boot.jar").write_bytes(b"#!/bin/sh\nexec java -jar $0\n" + boot)
merged = []
for name in ("jackson-databind-2.9.8.jar", "commons-collections-3.2.1.jar", "log4j-core-2.14.1.jar"):
    with zipfile.ZipFile(jars / name) as source:
        merged += [(n, source.read(n)) for n in source.namelist() if "META-INF/MANIFEST" not in n and not n.endswith("/")]
(out / "merged-1.0.jar").write_bytes(archive([manifest] + merged, zipfile.ZIP_DEFLATED))
(out / "tools.jar").write_bytes(archive([manifest, ("a.class", b"x")], zipfile.ZIP_DEFLATED))
PY
