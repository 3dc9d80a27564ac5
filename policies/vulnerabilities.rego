# Findings of the vulnerability scan against policy.vulnerabilities of the configuration.
# Severity UNKNOWN is a severity like any other: it denies if listed in deny.
package countersign.vulnerabilities

deny contains reason if {
	some finding in findings
	finding.severity in input.settings.deny
	not tolerated(finding)
	reason := {"code": "vulnerability-denied", "message": message(finding)}
}

warn contains reason if {
	some finding in findings
	warned(finding)
	reason := {"code": "vulnerability-warned", "message": message(finding)}
}

warned(finding) if {
	finding.severity in input.settings.warn
	not finding.severity in input.settings.deny
}

# A finding that would deny but has no fix stays visible.
warned(finding) if {
	finding.severity in input.settings.deny
	tolerated(finding)
}

tolerated(finding) if {
	input.settings.fixableOnly
	finding.fixed == null
}

# Each finding once; message names every platform that has it.
findings contains finding if {
	some image in input.images
	some found in image.scan.findings
	finding := key(found)
}

platforms[finding] contains image.platform if {
	some image in input.images
	some found in image.scan.findings
	finding := key(found)
}

key(found) := {
	"id": found.id,
	"package": found["package"],
	"installed": found.installed,
	"fixed": found.fixed,
	"severity": found.severity,
}

message(finding) := sprintf("%s (%s) in %s %s, %s, on %s", [
	finding.id,
	finding.severity,
	finding["package"],
	finding.installed,
	fix(finding),
	concat(", ", sort(platforms[finding])),
])

fix(finding) := "no fix yet" if finding.fixed == null

fix(finding) := sprintf("fixed in %s", [finding.fixed]) if finding.fixed != null
