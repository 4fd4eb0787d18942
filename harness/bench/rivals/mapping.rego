# The manifests of the seed profile for one claim: none of the policy's checks, no verdict and no patch.
package volsync

schedules := {"hourly": "0 * * * *"}

claim := input.request

base := data.credentials.stringData

secret_name := sprintf("%s-volsync-secret", [claim.metadata.name])

metadata(name) := {
	"name": name,
	"namespace": claim.metadata.namespace,
	"labels": {"app.kubernetes.io/managed-by": "volsync-policy"},
}

repository := sprintf("%s/%s/%s", [base.RESTIC_REPOSITORY, claim.metadata.namespace, claim.metadata.name])

secret := {
	"apiVersion": "v1",
	"kind": "Secret",
	"metadata": metadata(secret_name),
	"type": "Opaque",
	"data": {
		"AWS_ACCESS_KEY_ID": base64.encode(base.AWS_ACCESS_KEY_ID),
		"AWS_SECRET_ACCESS_KEY": base64.encode(base.AWS_SECRET_ACCESS_KEY),
		"RESTIC_PASSWORD": base64.encode(base.RESTIC_PASSWORD),
		"RESTIC_REPOSITORY": base64.encode(repository),
	},
}

destination := {
	"apiVersion": "volsync.backube/v1alpha1",
	"kind": "ReplicationDestination",
	"metadata": metadata(sprintf("%s-restore", [claim.metadata.name])),
	"spec": {
		"trigger": {"manual": sprintf("auto-restore-%s", [claim.metadata.creationTimestamp])},
		"restic": {
			"repository": secret_name,
			"copyMethod": "Direct",
			"storageClassName": "longhorn",
			"volumeSnapshotClassName": "longhorn",
			"capacity": claim.spec.resources.requests.storage,
			"accessModes": ["ReadWriteOnce"],
		},
	},
}

source := {
	"apiVersion": "volsync.backube/v1alpha1",
	"kind": "ReplicationSource",
	"metadata": metadata(sprintf("%s-backup", [claim.metadata.name])),
	"spec": {
		"sourcePVC": claim.metadata.name,
		"trigger": {"schedule": schedules[claim.metadata.labels.backup]},
		"restic": {
			"repository": secret_name,
			"copyMethod": "Direct",
			"storageClassName": "longhorn",
			"volumeSnapshotClassName": "longhorn",
			"cacheCapacity": "2Gi",
			"cacheStorageClassName": "longhorn",
			"cacheAccessModes": ["ReadWriteOnce"],
			"pruneIntervalDays": 10,
			"retain": {"hourly": 24, "daily": 7},
		},
	},
}

manifests := [secret, destination, source] if schedules[claim.metadata.labels.backup]
