# How old the scan and its database are.
package countersign.scan

# Clocks of scanner, database and gate may differ by this much.
tolerance_seconds := 300

deny contains reason if {
	some image in input.images
	image.scan.ageSeconds > input.settings.maxAgeSeconds
	reason := {
		"code": "scan-too-old",
		"message": sprintf("scan of %s is of %s: %d seconds old, at most %d are allowed", [
			image.platform, image.scan.finishedAt, image.scan.ageSeconds, input.settings.maxAgeSeconds,
		]),
	}
}

deny contains reason if {
	some image in input.images
	image.scan.databaseAgeSeconds > input.settings.maxDatabaseAgeSeconds
	reason := {
		"code": "database-too-old",
		"message": sprintf("vulnerability database is of %s: %d seconds old, at most %d are allowed", [
			image.scan.databaseUpdatedAt, image.scan.databaseAgeSeconds, input.settings.maxDatabaseAgeSeconds,
		]),
	}
}

# A time in the future would never grow old.
deny contains reason if {
	some image in input.images
	some what, age in {"scan": image.scan.ageSeconds, "vulnerability database": image.scan.databaseAgeSeconds}
	age < 0 - tolerance_seconds
	reason := {
		"code": "time-in-future",
		"message": sprintf("%s of %s is %d seconds in the future", [what, image.platform, 0 - age]),
	}
}

warn contains reason if {
	false
	reason := {}
}
