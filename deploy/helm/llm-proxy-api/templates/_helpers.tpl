{{- define "gateway.name" -}}
{{- if contains "llm-proxy" .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-llm-proxy" .Release.Name | trunc 52 | trimSuffix "-" }}{{ end -}}
{{- end -}}
{{- define "gateway.selector" -}}
app.kubernetes.io/name: llm-proxy-api
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
{{- define "gateway.labels" -}}
{{ include "gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}
{{- /* The port of the metrics: on the other one they want the key of an administrator. */ -}}
{{- define "gateway.metrics" -}}
{{ .Values.settings.METRICS_PORT | default 9464 | int }}
{{- end -}}
{{- define "gateway.keys" -}}
{{ .Values.keys.existingSecret | default (printf "%s-keys" (include "gateway.name" .)) }}
{{- end -}}
