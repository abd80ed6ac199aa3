{{/* Names, labels and addresses. */}}

{{- define "roomwire.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough that every suffix of this chart fits behind it. */}}
{{- define "roomwire.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "roomwire.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "roomwire.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Takes (list $ component). */}}
{{- define "roomwire.labels" -}}
{{- $ := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "roomwire.selectorLabels" . }}
app.kubernetes.io/version: {{ $.Values.image.tag | default $.Chart.AppVersion | trunc 63 | trimSuffix "-" | trimSuffix "." | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
{{- end -}}

{{- define "roomwire.selectorLabels" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ include "roomwire.name" $ }}
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Of pods: without the chart's version, which is no reason to restart them. Takes (list $ component). */}}
{{- define "roomwire.podLabels" -}}
{{- $ := index . 0 -}}
{{ include "roomwire.selectorLabels" . }}
app.kubernetes.io/version: {{ $.Values.image.tag | default $.Chart.AppVersion | trunc 63 | trimSuffix "-" | trimSuffix "." | quote }}
{{- end -}}

{{- define "roomwire.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "roomwire.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Takes (list $ image). */}}
{{- define "roomwire.image" -}}
{{- $ := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default $.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The port of an address such as 0.0.0.0:3001. Takes (list address default). */}}
{{- define "roomwire.port" -}}
{{- $address := index . 0 | default (index . 1) -}}
{{- regexFind "[0-9]+$" $address -}}
{{- end -}}

{{- define "roomwire.httpPort" -}}
{{- include "roomwire.port" (list .Values.config.listenAddr "0.0.0.0:3001") -}}
{{- end -}}

{{- define "roomwire.adminPort" -}}
{{- include "roomwire.port" (list .Values.config.adminAddr "0.0.0.0:9090") -}}
{{- end -}}

{{- define "roomwire.adminService" -}}
{{- printf "%s-admin" (include "roomwire.fullname" .) -}}
{{- end -}}

{{- define "roomwire.drainSeconds" -}}
{{- if hasKey .Values.config "drainSeconds" -}}
{{- int .Values.config.drainSeconds -}}
{{- else -}}
25
{{- end -}}
{{- end -}}

{{/* hook, initContainer or none. */}}
{{- define "roomwire.migrations" -}}
{{- if ne .Values.migrations.mode "auto" -}}
{{- .Values.migrations.mode -}}
{{- else if .Values.evaluation.enabled -}}
initContainer
{{- else -}}
hook
{{- end -}}
{{- end -}}

{{/* How many gateways there are at least. */}}
{{- define "roomwire.replicasMin" -}}
{{- if ne .Values.autoscaling.type "none" -}}
{{- int .Values.autoscaling.minReplicas -}}
{{- else if kindIs "invalid" .Values.replicaCount -}}
2
{{- else -}}
{{- int .Values.replicaCount -}}
{{- end -}}
{{- end -}}

{{/*
Empty where somebody else decides: then neither an upgrade nor a rollback changes the count. But a field that
was in the last release, and is in this one no more, would be taken for its default, which is 1. So once a
release has set the count, which an annotation tells, later ones set it to what there is.
*/}}
{{- define "roomwire.replicas" -}}
{{- if and (eq .Values.autoscaling.type "none") (not (kindIs "invalid" .Values.replicaCount)) -}}
{{- int .Values.replicaCount -}}
{{- else -}}
{{- $live := lookup "apps/v1" "Deployment" .Release.Namespace (include "roomwire.fullname" .) -}}
{{- if and $live (hasKey ($live.metadata.annotations | default dict) "roomwire/replicas") -}}
{{- int $live.spec.replicas -}}
{{- end -}}
{{- end -}}
{{- end -}}
