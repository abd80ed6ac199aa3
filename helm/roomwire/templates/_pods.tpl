{{/* What the pods of this chart share. */}}

{{/* Settings as variables. Numbers of YAML are floats, which Go writes as 1e+06. */}}
{{- define "roomwire.configEnv" -}}
{{- $known := .Files.Get "files/settings.yaml" | fromYaml -}}
{{- range $key, $variable := $known.config }}
{{- if hasKey $.Values.config $key }}
{{- $value := get $.Values.config $key }}
{{- if kindIs "slice" $value }}{{ $value = join "," $value }}{{ end }}
{{- if and (kindIs "float64" $value) (eq (floor $value) $value) }}{{ $value = int64 $value }}{{ end }}
- name: {{ $variable }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Where the pod is, for other nodes and for traces. */}}
{{- define "roomwire.podEnv" -}}
{{- if not (hasKey .Values.config "advertiseAddr") }}
- name: ADVERTISE_ADDR
  valueFrom: { fieldRef: { fieldPath: status.podIP } }
{{- end }}
{{- if or .Values.config.otelExporterOtlpEndpoint .Values.config.otelExporterOtlpTracesEndpoint }}
- name: POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: POD_NAMESPACE
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
- name: NODE_NAME
  valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
- name: OTEL_RESOURCE_ATTRIBUTES
  value: k8s.pod.name=$(POD_NAME),k8s.namespace.name=$(POD_NAMESPACE),k8s.node.name=$(NODE_NAME)
{{- end }}
{{- end -}}

{{/* Where pods run and what they may do there. */}}
{{- define "roomwire.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A pod that runs `migrate`: as an init container or in the hook. Takes (list $ secrets). */}}
{{- define "roomwire.migrateContainer" -}}
{{- $ := index . 0 -}}
- name: migrate
  image: {{ include "roomwire.image" (list $ $.Values.image) | quote }}
  imagePullPolicy: {{ $.Values.image.pullPolicy }}
  args: [migrate]
  env:
    {{- with include "roomwire.secretEnv" (index . 1) | trim }}{{ nindent 4 . }}{{ end }}
    {{- with include "roomwire.postgresEnv" $ | trim }}{{ nindent 4 . }}{{ end }}
    {{- with include "roomwire.tlsEnv" $ | trim }}{{ nindent 4 . }}{{ end }}
    {{- with $.Values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $.Values.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml $.Values.securityContext | nindent 4 }}
  resources:
    {{- toYaml $.Values.migrations.resources | nindent 4 }}
  volumeMounts:
    - { name: migrate-secrets, mountPath: /run/secrets/roomwire, readOnly: true }
    {{- with include "roomwire.tlsMounts" $ | trim }}{{ nindent 4 . }}{{ end }}
    {{- with $.Values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Settings of Postgres and the log, for `migrate`. */}}
{{- define "roomwire.postgresEnv" -}}
{{- $picked := dict -}}
{{- range $key, $value := .Values.config -}}
{{- if or (hasPrefix "database" $key) (has $key (list "logFormat" "rustLog")) -}}
{{- $picked = set $picked $key $value -}}
{{- end -}}
{{- end -}}
{{- include "roomwire.configEnv" (dict "Files" .Files "Values" (dict "config" $picked)) -}}
{{- end -}}

{{/* The secrets that `migrate` needs: the URL, of its own role if there is one. */}}
{{- define "roomwire.migrateSecrets" -}}
{{- $of := .Values.migrations.databaseUrl -}}
{{- if $of.existingSecret -}}
{{- list (dict "name" "databaseUrl" "variable" "DATABASE_URL_FILE" "key" $of.key "secret" $of.existingSecret) | toJson -}}
{{- else -}}
{{- $all := include "roomwire.secrets" . | fromJsonArray -}}
{{- $found := list -}}
{{- range $all }}{{ if eq .name "databaseUrl" }}{{ $found = append $found . }}{{ end }}{{ end -}}
{{- toJson $found -}}
{{- end -}}
{{- end -}}
