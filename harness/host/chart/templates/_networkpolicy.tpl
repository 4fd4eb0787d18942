{{/* What a NetworkPolicy lets the host and movers reach: DNS. */}}
{{- define "volsync-policy.dns" -}}
- to:
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: kube-system}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end }}

{{/* The same for an S3 server or an API server. */}}
{{- define "volsync-policy.server" -}}
- to:
    {{- if .namespace }}
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: {{ .namespace }}}
    {{- else }}
    {{- range .cidrs }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
    {{- end }}
  ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}

{{/* What a CiliumNetworkPolicy lets the host and movers reach: DNS, and the S3 server. */}}
{{- define "volsync-policy.cilium" -}}
- toEndpoints:
    - matchLabels:
        k8s:io.kubernetes.pod.namespace: kube-system
        k8s-app: kube-dns
  toPorts:
    - ports:
        - {port: "53", protocol: ANY}
      rules:
        dns:
          - {matchPattern: "*"}
{{- with .Values.networkPolicy.store }}
{{- if .namespace }}
- toEndpoints:
    - matchLabels: {k8s:io.kubernetes.pod.namespace: {{ .namespace }}}
{{- else if .names }}
- toFQDNs:
    {{- range .names }}
    - {{ contains "*" . | ternary "matchPattern" "matchName" }}: {{ . | quote }}
    {{- end }}
{{- else }}
- toCIDR: {{- toYaml .cidrs | nindent 4 }}
{{- end }}
  toPorts:
    - ports:
        {{- range .ports }}
        - {port: "{{ . }}", protocol: TCP}
        {{- end }}
{{- end }}
{{- end }}
