{{/* Where the gateway's secrets come from, and how its containers get them. */}}

{{/* As a JSON list: each secret that there is, with its file and the Secret that holds it. */}}
{{- define "roomwire.secrets" -}}
{{- $known := .Files.Get "files/settings.yaml" | fromYaml -}}
{{- $variables := merge (dict "jwtJwks" "JWT_JWKS") $known.secrets -}}
{{- $own := printf "%s-secrets" (include "roomwire.fullname" .) -}}
{{- $found := list -}}
{{- range $name := keys $variables | sortAlpha -}}
  {{- $secret := get $.Values.secrets $name -}}
  {{- $held := dict "name" $name "variable" (get $variables $name) "key" $secret.key "file" $secret.key -}}
  {{- if $secret.existingSecret -}}
    {{- $found = append $found (merge (dict "secret" $secret.existingSecret) $held) -}}
  {{- else if or $secret.value (and $.Values.evaluation.enabled (has $name (list "databaseUrl" "redisUrl"))) -}}
    {{- $found = append $found (merge (dict "secret" $own "own" true) $held) -}}
  {{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/* What a secret of the chart's own holds. Takes (list $ name). */}}
{{- define "roomwire.secretValue" -}}
{{- $ := index . 0 -}}
{{- $name := index . 1 -}}
{{- $value := (get $.Values.secrets $name).value -}}
{{- if $value -}}
{{- $value -}}
{{- else if eq $name "databaseUrl" -}}
{{- printf "postgres://roomwire:evaluation@%s-postgres:5432/roomwire" (include "roomwire.fullname" $) -}}
{{- else if eq $name "redisUrl" -}}
{{- printf "redis://%s-valkey:6379" (include "roomwire.fullname" $) -}}
{{- end -}}
{{- end -}}

{{/* Sources of the projected volume. Takes a list as above. */}}
{{- define "roomwire.secretSources" -}}
{{- range $secret := . }}
- secret:
    name: {{ $secret.secret }}
    items:
      - { key: {{ $secret.key | quote }}, path: {{ $secret.name }} }
{{- end }}
{{- end -}}

{{/* Variables that name the files. Takes a list as above. */}}
{{- define "roomwire.secretEnv" -}}
{{- range $secret := . }}
- name: {{ $secret.variable }}
  value: /run/secrets/roomwire/{{ $secret.name }}
{{- end }}
{{- end -}}

{{/* Variables for certificates: libpq's for Postgres, the gateway's for Redis. */}}
{{- define "roomwire.tlsEnv" -}}
{{- with .Values.tls.postgres }}
{{- if .existingSecret }}
- { name: PGSSLMODE, value: {{ .mode | quote }} }
{{- if .ca }}
- { name: PGSSLROOTCERT, value: {{ printf "/run/tls/postgres/%s" .ca | quote }} }
{{- end }}
{{- if .cert }}
- { name: PGSSLCERT, value: {{ printf "/run/tls/postgres/%s" .cert | quote }} }
- { name: PGSSLKEY, value: {{ printf "/run/tls/postgres/%s" .key | quote }} }
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.tls.redis }}
{{- if .existingSecret }}
{{- if .ca }}
- { name: REDIS_TLS_CA_FILE, value: {{ printf "/run/tls/redis/%s" .ca | quote }} }
{{- end }}
{{- if .cert }}
- { name: REDIS_TLS_CERT_FILE, value: {{ printf "/run/tls/redis/%s" .cert | quote }} }
- { name: REDIS_TLS_KEY_FILE, value: {{ printf "/run/tls/redis/%s" .key | quote }} }
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "roomwire.tlsMounts" -}}
{{- if .Values.tls.postgres.existingSecret }}
- { name: tls-postgres, mountPath: /run/tls/postgres, readOnly: true }
{{- end }}
{{- if .Values.tls.redis.existingSecret }}
- { name: tls-redis, mountPath: /run/tls/redis, readOnly: true }
{{- end }}
{{- end -}}

{{/* Mode 288 is 0440, which YAML 1.2 would take for a decimal number. */}}
{{- define "roomwire.tlsVolumes" -}}
{{- with .Values.tls.postgres.existingSecret }}
- name: tls-postgres
  secret: { secretName: {{ . | quote }}, defaultMode: 288 }
{{- end }}
{{- with .Values.tls.redis.existingSecret }}
- name: tls-redis
  secret: { secretName: {{ . | quote }}, defaultMode: 288 }
{{- end }}
{{- end -}}
