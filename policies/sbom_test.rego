package countersign.sbom_test

import data.countersign.sbom

document(sbom_document) := {"images": [{"platform": "linux/amd64", "sbom": sbom_document}]}

codes := {reason.code | some reason in sbom.deny}

component := {"name": "p", "version": "1", "purl": "pkg:generic/p@1", "licenses": []}

test_complete if count(sbom.deny) == 0 with input as document({"complete": true, "components": [component], "anomalies": []})

test_incomplete if codes == {"sbom-incomplete"} with input as document({"complete": false, "components": [component], "anomalies": []})

test_empty if codes == {"sbom-empty"} with input as document({"complete": true, "components": [], "anomalies": []})

test_an_anomaly_is_named if {
	anomaly := {"code": "entry-unreadable", "path": "a/b", "layer": null, "detail": "d"}
	some reason in sbom.deny with input as document({"complete": true, "components": [component], "anomalies": [anomaly]})
	reason == {"code": "sbom-incomplete", "message": "SBOM of linux/amd64 is incomplete: entry-unreadable at /a/b: d"}
}

test_an_anomaly_of_the_whole_image_has_no_place if {
	anomaly := {"code": "no-components", "path": "", "layer": null, "detail": "d"}
	some reason in sbom.deny with input as document({"complete": false, "components": [component], "anomalies": [anomaly]})
	reason.message == "SBOM of linux/amd64 is incomplete: no-components: d"
}
