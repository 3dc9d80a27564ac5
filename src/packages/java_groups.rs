//! Groups of artifacts whose archives do not name them: built by Gradle or Ant, they have no `pom.properties`, and their
//! manifests speak to people. Trivy looks such archives up by checksum in a database of half a gigabyte; here the name of
//! the file and a class inside must both fit a row.

use packageurl::PackageUrl;

use crate::packages::java_names::Artifact;

/// Name of the artifact, or its beginning up to `*`; where its classes lie; its group.
type Row = (&'static str, &'static str, &'static str);

/// Artifacts with advisories, as Maven Central files them. Of several rows that fit, the first counts.
const ROWS: [Row; 52] = [
    ("spring-boot*", "org/springframework/boot/", "org.springframework.boot"),
    ("spring-security-oauth2", "org/springframework/security/oauth2/", "org.springframework.security.oauth"),
    ("spring-security-*", "org/springframework/security/", "org.springframework.security"),
    ("spring-data-rest-*", "org/springframework/data/rest/", "org.springframework.data"),
    ("spring-data-*", "org/springframework/data/", "org.springframework.data"),
    ("spring-cloud-*", "org/springframework/cloud/", "org.springframework.cloud"),
    ("spring-integration-*", "org/springframework/integration/", "org.springframework.integration"),
    ("spring-batch-*", "org/springframework/batch/", "org.springframework.batch"),
    ("spring-amqp", "org/springframework/amqp/", "org.springframework.amqp"),
    ("spring-rabbit*", "org/springframework/amqp/", "org.springframework.amqp"),
    ("spring-kafka*", "org/springframework/kafka/", "org.springframework.kafka"),
    ("spring-session-*", "org/springframework/session/", "org.springframework.session"),
    ("spring-ldap-*", "org/springframework/ldap/", "org.springframework.ldap"),
    ("spring-ws-*", "org/springframework/ws/", "org.springframework.ws"),
    ("spring-webflow", "org/springframework/webflow/", "org.springframework.webflow"),
    ("spring-hateoas", "org/springframework/hateoas/", "org.springframework.hateoas"),
    ("spring-plugin-*", "org/springframework/plugin/", "org.springframework.plugin"),
    ("spring-retry", "org/springframework/retry/", "org.springframework.retry"),
    ("spring-*", "org/springframework/", "org.springframework"),
    ("tomcat-embed-*", "org/apache/", "org.apache.tomcat.embed"),
    ("tomcat-*", "org/apache/", "org.apache.tomcat"),
    ("kotlin-*", "kotlin/", "org.jetbrains.kotlin"),
    ("kotlinx-coroutines-*", "kotlinx/coroutines/", "org.jetbrains.kotlinx"),
    ("ktor-*", "io/ktor/", "io.ktor"),
    ("okhttp*", "okhttp3/", "com.squareup.okhttp3"),
    ("okhttp", "com/squareup/okhttp/", "com.squareup.okhttp"),
    ("okio*", "okio/", "com.squareup.okio"),
    ("retrofit", "retrofit2/", "com.squareup.retrofit2"),
    ("reactor-netty*", "reactor/netty/", "io.projectreactor.netty"),
    ("reactor-*", "reactor/", "io.projectreactor"),
    ("rsocket-*", "io/rsocket/", "io.rsocket"),
    ("micrometer-*", "io/micrometer/", "io.micrometer"),
    ("grpc-*", "io/grpc/", "io.grpc"),
    ("groovy*", "org/codehaus/groovy/", "org.codehaus.groovy"),
    ("groovy*", "org/apache/groovy/", "org.apache.groovy"),
    ("bcprov-*", "org/bouncycastle/", "org.bouncycastle"),
    ("bcpkix-*", "org/bouncycastle/", "org.bouncycastle"),
    ("bcpg-*", "org/bouncycastle/", "org.bouncycastle"),
    ("bctls-*", "org/bouncycastle/", "org.bouncycastle"),
    ("bcmail-*", "org/bouncycastle/", "org.bouncycastle"),
    ("h2", "org/h2/", "com.h2database"),
    ("hsqldb", "org/hsqldb/", "org.hsqldb"),
    ("postgresql", "org/postgresql/", "org.postgresql"),
    ("mysql-connector-java", "com/mysql/", "mysql"),
    ("mysql-connector-j", "com/mysql/", "com.mysql"),
    ("mssql-jdbc", "com/microsoft/sqlserver/", "com.microsoft.sqlserver"),
    ("kafka-clients", "org/apache/kafka/", "org.apache.kafka"),
    ("lucene-*", "org/apache/lucene/", "org.apache.lucene"),
    ("solr-*", "org/apache/solr/", "org.apache.solr"),
    ("elasticsearch", "org/elasticsearch/", "org.elasticsearch"),
    ("hibernate-core", "org/hibernate/", "org.hibernate"),
    ("log4j", "org/apache/log4j/", "log4j"),
];

/// The rows that an archive's name fits, and whether a class has been seen where one of them says.
#[derive(Debug)]
pub(super) struct Group {
    named: Option<Artifact>,
    rows: Vec<&'static Row>,
    seen: Vec<bool>,
}

impl Group {
    pub(super) fn candidate(named: Option<&Artifact>) -> Self {
        let fits = |row: &&Row, name: &str| match row.0.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => row.0 == name,
        };
        let rows: Vec<_> = named.map_or_else(Vec::new, |a| ROWS.iter().filter(|row| fits(row, &a.name)).collect());
        Self { named: named.cloned(), seen: vec![false; rows.len()], rows }
    }

    /// Takes note of the name of an entry.
    pub(super) fn see(&mut self, name: &[u8]) {
        for (row, seen) in self.rows.iter().zip(&mut self.seen) {
            *seen = *seen || name.starts_with(row.1.as_bytes());
        }
    }

    /// The archive's artifact, if the table knows it.
    pub(super) fn artifact(&self) -> Option<Artifact> {
        let (row, _) = self.rows.iter().zip(&self.seen).find(|(_, seen)| **seen)?;
        Some(Artifact { group: row.2.to_owned(), ..self.named.clone()? })
    }
}

/// For what is listed without a group: of no kind that advisories are filed under.
pub(super) fn listed_purl(artifact: &Artifact, sha1: &str) -> Option<String> {
    let mut purl = PackageUrl::new("generic", artifact.name.clone()).ok()?;
    if !artifact.version.is_empty() {
        purl.with_version(artifact.version.clone()).ok()?;
    }
    purl.add_qualifier("checksum", format!("sha1:{sha1}")).ok()?;
    Some(purl.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_needs_both_the_name_and_a_class() {
        let named = |name: &str| {
            let version = "1.0".to_owned();
            Artifact { group: String::new(), name: name.to_owned(), version }
        };
        for (name, class, expect) in [
            ("spring-core", "org/springframework/core/A.class", Some("org.springframework")),
            ("spring-boot-autoconfigure", "org/springframework/boot/A.class", Some("org.springframework.boot")),
            ("spring-core", "com/example/A.class", None),
            ("springy", "org/springframework/core/A.class", None),
            ("okhttp", "com/squareup/okhttp/Call.class", Some("com.squareup.okhttp")),
            ("okhttp", "okhttp3/Call.class", Some("com.squareup.okhttp3")),
        ] {
            let mut group = Group::candidate(Some(&named(name)));
            group.see(class.as_bytes());
            assert_eq!(group.artifact().map(|a| a.group).as_deref(), expect, "{name} {class}");
        }
        assert_eq!(Group::candidate(None).artifact(), None);
    }

    #[test]
    fn what_is_only_listed_has_a_purl_that_matches_nothing() {
        let artifact = Artifact { group: String::new(), name: "tools".to_owned(), version: String::new() };
        assert_eq!(listed_purl(&artifact, "ab").as_deref(), Some("pkg:generic/tools?checksum=sha1:ab"));
    }
}
