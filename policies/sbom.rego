# An SBOM that misses something proves nothing: incomplete and empty ones deny.
package countersign.sbom

deny contains reason if {
	some image in input.images
	some anomaly in image.sbom.anomalies
	reason := {
		"code": "sbom-incomplete",
		"message": sprintf("SBOM of %s is incomplete: %s%s: %s", [
			image.platform, anomaly.code, place(anomaly), anomaly.detail,
		]),
	}
}

deny contains reason if {
	some image in input.images
	not image.sbom.complete
	count(image.sbom.anomalies) == 0
	reason := {"code": "sbom-incomplete", "message": sprintf("SBOM of %s is incomplete", [image.platform])}
}

deny contains reason if {
	some image in input.images
	count(image.sbom.components) == 0
	reason := {"code": "sbom-empty", "message": sprintf("SBOM of %s has no component", [image.platform])}
}

place(anomaly) := sprintf(" at /%s", [anomaly.path]) if anomaly.path != ""

place(anomaly) := "" if anomaly.path == ""

warn contains reason if {
	false
	reason := {}
}
