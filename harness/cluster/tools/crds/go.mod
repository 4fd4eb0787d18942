module volsync-policy/cluster/crds

go 1.26.0

// Read for their CRDs alone, so their own dependencies are left out.

require (
	github.com/cilium/cilium v1.20.2
	github.com/external-secrets/external-secrets v1.3.2
	github.com/openreports/reports-api v0.2.1
	github.com/prometheus-operator/prometheus-operator v0.85.0
)
