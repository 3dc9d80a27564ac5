package countersign.vulnerabilities_test

import data.countersign.vulnerabilities

document(finding, settings) := {
	"settings": object.union({"deny": ["CRITICAL"], "warn": ["HIGH"], "fixableOnly": false}, settings),
	"images": [{"platform": "linux/amd64", "scan": {"findings": [finding]}}],
}

finding(severity, fixed) := {
	"id": "CVE-1", "package": "p", "installed": "1", "fixed": fixed, "severity": severity,
}

codes(reasons) := {reason.code | some reason in reasons}

test_denied_severity_denies if {
	codes(vulnerabilities.deny) == {"vulnerability-denied"} with input as document(finding("CRITICAL", null), {})
}

test_warned_severity_only_warns if {
	count(vulnerabilities.deny) == 0 with input as document(finding("HIGH", null), {})
	codes(vulnerabilities.warn) == {"vulnerability-warned"} with input as document(finding("HIGH", null), {})
}

test_other_severities_say_nothing if {
	count(vulnerabilities.deny) == 0 with input as document(finding("LOW", null), {})
	count(vulnerabilities.warn) == 0 with input as document(finding("LOW", null), {})
}

test_fixable_only_warns_about_what_has_no_fix if {
	count(vulnerabilities.deny) == 0 with input as document(finding("CRITICAL", null), {"fixableOnly": true})
	codes(vulnerabilities.warn) == {"vulnerability-warned"} with input as document(finding("CRITICAL", null), {"fixableOnly": true})
	count(vulnerabilities.deny) == 1 with input as document(finding("CRITICAL", "2"), {"fixableOnly": true})
}

test_the_message_says_what_where_and_how_to_fix if {
	some reason in vulnerabilities.deny with input as document(finding("CRITICAL", "2"), {})
	reason.message == "CVE-1 (CRITICAL) in p 1, fixed in 2, on linux/amd64"
}
