use super::*;
use crate::packages::Ecosystem;

fn names(parsed: &Parsed) -> Vec<(Ecosystem, &str, &str, &str)> {
    parsed.packages.iter().map(|p| (p.ecosystem, p.name.as_str(), p.version.as_str(), p.path.as_str())).collect()
}

/// One CycloneDX component with these fields.
fn cyclonedx(fields: &str) -> Parsed {
    parse("app/x.cdx.json", format!(r#"{{"bomFormat":"CycloneDX","components":[{{{fields}}}]}}"#).as_bytes())
}

#[test]
fn bitnamis_document_names_its_component_and_the_files_in_its_folder() {
    let json = r#"{"SPDXID":"SPDXRef-DOCUMENT","spdxVersion":"SPDX-2.3","packages":[
        {"SPDXID":"SPDXRef-elasticsearch","name":"Elasticsearch","versionInfo":"8.9.1","licenseDeclared":"Elastic-2.0",
         "externalRefs":[{"referenceCategory":"SECURITY","referenceType":"cpe23Type","referenceLocator":"cpe"},
            {"referenceCategory":"PACKAGE_MANAGER","referenceType":"purl","referenceLocator":"pkg:bitnami/elasticsearch@8.9.1?arch=arm64"}]},
        {"SPDXID":"SPDXRef-Application-1","name":"jar","licenseDeclared":"NOASSERTION"},
        {"SPDXID":"SPDXRef-Package-1","name":"co.elastic.apm:apm-agent","licenseDeclared":"NONE","hasFiles":["SPDXRef-File-1"],
         "externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:maven/co.elastic.apm/apm-agent@1.36.0"}]},
        {"SPDXID":"SPDXRef-Package-2","name":"no path",
         "externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:maven/g/a@1"}]}],
        "files":[{"SPDXID":"SPDXRef-File-1","fileName":"modules/apm.jar"}]}"#;
    let found = parse("opt/bitnami/elasticsearch/.spdx-elasticsearch.spdx", json.as_bytes());
    let folder = "opt/bitnami/elasticsearch";
    let jar = format!("{folder}/modules/apm.jar");
    let expect = vec![
        (Ecosystem::Bitnami, "elasticsearch", "8.9.1", folder),
        (Ecosystem::Maven, "co.elastic.apm:apm-agent", "1.36.0", jar.as_str()),
        (Ecosystem::Maven, "g:a", "1", folder),
    ];
    assert_eq!((names(&found), &found.unreadable), (expect, &Vec::new()));
    assert_eq!(found.packages[0].licences, ["Elastic-2.0"]);
    assert_eq!(found.packages[0].architecture.as_deref(), Some("arm64"));
    assert_eq!(found.packages[1].licences, [""; 0]);
}

#[test]
fn packages_of_the_system_keep_epoch_and_source() {
    let found = cyclonedx(
        r#""type":"library","name":"libssl3","purl":"pkg:deb/debian/libssl3@3.0.9-1%2Bb1?arch=amd64&epoch=1",
        "properties":[{"name":"aquasecurity:trivy:SrcName","value":"openssl"},{"name":"aquasecurity:trivy:SrcVersion","value":"3.0.9"},
        {"name":"aquasecurity:trivy:SrcRelease","value":"1"},{"name":"aquasecurity:trivy:SrcEpoch","value":"2"}]"#,
    );
    assert_eq!(names(&found), [(Ecosystem::Dpkg, "libssl3", "1:3.0.9-1+b1", "app/x.cdx.json")]);
    let source = found.packages[0].source.clone().unwrap();
    assert_eq!((source.name.as_str(), source.version.as_str()), ("openssl", "2:3.0.9-1"));
    let spdx = r#"{"SPDXID":"SPDXRef-DOCUMENT","packages":[{"SPDXID":"p","name":"a","sourceInfo":"built package from: b 2",
        "externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:apk/wolfi/a@1-r0"}]}]}"#;
    let source = parse("x.spdx.json", spdx.as_bytes()).packages.remove(0).source.unwrap();
    assert_eq!((source.name.as_str(), source.version.as_str()), ("b", "2"));
}

#[test]
fn the_component_names_the_package_except_for_java_and_bitnami() {
    for (fields, expect) in [
        (r#""name":"Foo_Bar","purl":"pkg:pypi/foo-bar@1""#, (Ecosystem::Pypi, "Foo_Bar")),
        (r#""group":"@a","name":"b","purl":"pkg:npm/%40a/b@1""#, (Ecosystem::Npm, "@a/b")),
        (r#""name":"whatever","purl":"pkg:maven/g/a@1""#, (Ecosystem::Maven, "g:a")),
        (r#""name":"Redis","purl":"pkg:bitnami/redis@1""#, (Ecosystem::Bitnami, "redis")),
        (r#""name":"","purl":"pkg:golang/example.com/x@1""#, (Ecosystem::Golang, "example.com/x")),
        (r#""name":"p","purl":"pkg:hex/p@1""#, (Ecosystem::Other, "p")),
    ] {
        let found = cyclonedx(&format!(r#""type":"library",{fields}"#));
        let got: Vec<_> = names(&found).into_iter().map(|(e, n, _, _)| (e, n)).collect();
        assert_eq!(got, [expect], "{fields}");
    }
}

#[test]
fn what_has_no_matchable_purl_is_passed_over() {
    for fields in [
        r#""type":"library","name":"a""#,
        r#""type":"library","name":"a","purl":"pkg:generic/a@1""#,
        r#""type":"container","name":"a","purl":"pkg:oci/a@1""#,
        r#""type":"library","name":"a","purl":"pkg:npm/a""#,
        r#""type":"data","name":"a","purl":"pkg:npm/a@1""#,
    ] {
        assert_eq!(cyclonedx(fields), Parsed::default(), "{fields}");
    }
}

#[test]
fn the_component_that_the_document_is_about_counts() {
    let json =
        br#"{"bomFormat":"CycloneDX","metadata":{"component":{"type":"application","name":"a","purl":"pkg:npm/a@1"}}}"#;
    assert_eq!(parse("x.cdx", json).packages.len(), 1);
}

#[test]
fn tags_and_values_are_read() {
    let text = "SPDXVersion: SPDX-2.3\n# comment\nSPDXID: SPDXRef-DOCUMENT\nDocumentComment: <text>several\nlines</text>\n\n\
        PackageName: lodash\nSPDXID: SPDXRef-1\nExternalRef: SECURITY cpe23Type cpe\n\
        ExternalRef: PACKAGE-MANAGER purl pkg:npm/lodash@4.17.20\nPackageLicenseDeclared: MIT\nPackageSupplier: Organization: O\n\
        PackageChecksum: SHA1: da39a3ee5e6b4b0d3255bfef95601890afd80709\nPackageName: none\n\
        FileName: ./x\nExternalRef: PACKAGE-MANAGER purl pkg:npm/file@1\n";
    let found = parse("x.spdx", text.as_bytes());
    assert_eq!(names(&found), [(Ecosystem::Npm, "lodash", "4.17.20", "x.spdx")]);
    let package = &found.packages[0];
    assert_eq!((package.licences.as_slice(), package.supplier.as_deref()), (&["MIT".to_owned()][..], Some("O")));
    assert_eq!(package.hashes.len(), 1);
}

#[test]
fn an_unreadable_component_does_not_hide_its_neighbours() {
    for bad in [
        r#"{"type":"library","name":3}"#,
        r#"{"type":"library","name":"a","purl":"npm/a@1"}"#,
        r#"{"type":"library","name":"a\u0000","purl":"pkg:npm/a@1"}"#,
        "7",
    ] {
        let json = format!(
            r#"{{"bomFormat":"CycloneDX","components":[{bad},{{"type":"library","name":"b","purl":"pkg:npm/b@1"}}]}}"#
        );
        let found = parse("x.cdx", json.as_bytes());
        assert_eq!((found.packages.len(), found.unreadable.len(), found.failed), (1, 1, None), "{bad}");
    }
}

#[test]
fn a_document_of_no_known_form_is_unreadable_as_a_whole() {
    for bad in [
        &b""[..],
        b"{",
        b"{}",
        b"[]",
        b"hello",
        br#"{"bomFormat":"CycloneDX","components":{}}"#,
        br#"{"SPDXID":"SPDXRef-DOCUMENT","packages":3}"#,
        br#"{"SPDXID":"other","packages":[]}"#,
        b"<bom xmlns=\"http://cyclonedx.org/schema/bom/1.5\"/>",
        b"SPDXVersion: SPDX-2.3\nno tag\n",
        b"SPDXVersion: SPDX-2.3\nPackageComment: <text>no end\n",
        b"SPDXVersion: SPDX-2.3\nPackageName: \xff\n",
        b"{\"bomFormat\":\"CycloneDX\",\"components\":[{\"name\":\"\xff\"}]}",
    ] {
        assert!(parse("x.spdx", bad).failed.is_some(), "{:?}", String::from_utf8_lossy(bad));
    }
}

#[test]
fn a_document_of_more_packages_than_we_hold_says_so() {
    let component = r#"{"type":"library","name":"a","purl":"pkg:npm/a@1"},"#;
    let many = component.repeat(crate::packages::parsed::MAX_PACKAGES + 1);
    let json = format!(r#"{{"bomFormat":"CycloneDX","components":[{}]}}"#, many.trim_end_matches(','));
    let found = parse("x.cdx", json.as_bytes());
    assert_eq!((found.packages.len(), found.limits.len()), (crate::packages::parsed::MAX_PACKAGES, 1));
    let bad = format!(r#"{{"bomFormat":"CycloneDX","components":[{}0]}}"#, "0,".repeat(5_000));
    let found = parse("x.cdx", bad.as_bytes());
    assert_eq!((found.unreadable.len(), found.limits.len()), (crate::packages::parsed::MAX_UNREADABLE, 1));
}

proptest::proptest! {
    #[test]
    fn any_purl_gives_a_package_an_anomaly_or_nothing(purl in "(pkg:)?(npm|deb|maven|generic|PyPI)?/?.{0,16}@?.{0,8}(\\?arch=.{0,4}&epoch=.{0,3})?") {
        let purl = serde_json::Value::from(purl);
        let found = cyclonedx(&format!(r#""type":"library","name":"a","purl":{purl}"#));
        proptest::prop_assert!(found.packages.len() + found.unreadable.len() <= 1);
        proptest::prop_assert!(found.packages.iter().all(|p| !p.name.is_empty() && !p.version.is_empty()));
    }

    #[test]
    fn any_tags_give_an_answer(text in "SPDX(Version: x|ID: y|PackageName: a|ExternalRef: PACKAGE-MANAGER purl pkg:npm/a@1|T: <text>|</text>|\n| ){0,12}") {
        let found = parse("x.spdx", text.as_bytes());
        proptest::prop_assert!(found.packages.len() <= 12);
    }
}
