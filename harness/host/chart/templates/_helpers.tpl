{{- define "volsync-policy.labels" -}}
app.kubernetes.io/name: volsync-policy
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "volsync-policy.metadata" -}}
name: volsync-policy
namespace: {{ .Release.Namespace }}
labels: {{- include "volsync-policy.labels" . | nindent 2 }}
{{- end }}

{{/* The metadata of an object without a namespace. */}}
{{- define "volsync-policy.clusterMetadata" -}}
name: volsync-policy
labels: {{- include "volsync-policy.labels" . | nindent 2 }}
{{- end }}

{{/* The service account, as a subject of a binding. */}}
{{- define "volsync-policy.subjects" -}}
- {kind: ServiceAccount, name: volsync-policy, namespace: {{ .Release.Namespace }}}
{{- end }}

{{/* The settings, with what they leave out. */}}
{{- define "volsync-policy.settings" -}}
{{- $given := .Values.settings | default dict | deepCopy }}
{{- $seed := eq (get $given "profile") "seed" | ternary (dict "gate" "none" "restore" (dict "mode" "side")) dict }}
{{- mergeOverwrite (.Files.Get "files/defaults.json" | fromJson) $seed $given | toYaml }}
{{- end }}

{{/* The label of claims. */}}
{{- define "volsync-policy.label" -}}
{{- (include "volsync-policy.settings" . | fromYaml).label }}
{{- end }}

{{/* Whether the host answers at admission, or nothing. */}}
{{- define "volsync-policy.webhook" -}}
{{- and .Values.admission.enabled (eq .Values.admission.kind "webhook") | ternary "true" "" }}
{{- end }}

{{/* What the host creates for a claim: a Secret, or an ExternalSecret. */}}
{{- define "volsync-policy.credentials" -}}
{{- dig "credentials" "kind" (eq .Values.rights.secrets "external" | ternary "ExternalSecret" "Secret") (.Values.settings | default dict) }}
{{- end }}
