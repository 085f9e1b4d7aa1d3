{{/* Name shared by everything of a revision. */}}
{{- define "weft.name" -}}
weft-{{ .Values.revision }}
{{- end }}

{{/*
Fails where this release cannot work beside what is there: roots and identity belong to the namespace of the control plane, so pods of
two namespaces would refuse each other; and one revision has one release.
*/}}
{{- define "weft.checkOthers" -}}
{{- range (lookup "admissionregistration.k8s.io/v1" "MutatingWebhookConfiguration" "" "").items }}
{{- if and (hasPrefix "weft-" .metadata.name) .webhooks }}
{{- $service := (first .webhooks).clientConfig.service | default dict }}
{{- if and (eq (index (.metadata.labels | default dict) "app.kubernetes.io/name") "weft") (ne $service.namespace $.Release.Namespace) }}
{{- fail (printf "Weft runs in namespace %s already (revision %s). Its roots are there, and pods of another control plane would refuse those of this one: install this revision into namespace %s, too" $service.namespace (trimPrefix "weft-" .metadata.name) $service.namespace) }}
{{- end }}
{{- end }}
{{- end }}
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

{{/* YAML reads On and Off without quotes as true and false. */}}
{{- define "weft.podCertificates" -}}
{{- $choice := .Values.identity.podCertificates -}}
{{- if kindIs "bool" $choice -}}
{{ ternary "On" "Off" $choice }}
{{- else -}}
{{ $choice }}
{{- end -}}
{{- end }}
