{{/* Name shared by everything of a revision. */}}
{{- define "weft.name" -}}
weft-{{ .Values.revision }}
{{- end }}

{{/* The service account is part of the control plane's identity and has no revision. */}}
{{- define "weft.serviceAccount" -}}
weft
{{- end }}

{{- define "weft.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- if hasPrefix "sha256:" $tag -}}
{{ .Values.image.repository }}@{{ $tag }}
{{- else -}}
{{ .Values.image.repository }}:{{ $tag }}
{{- end -}}
{{- end }}

{{/* What a Deployment and a Service find the control plane's pods by; never changes for a revision. */}}
{{- define "weft.selector" -}}
app.kubernetes.io/name: weft
weft.dev/rev: {{ .Values.revision | quote }}
{{- end }}

{{- define "weft.labels" -}}
{{ include "weft.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}
