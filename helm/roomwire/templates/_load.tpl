{{/* The pods of the load tester. */}}

{{/* Where the coordinator listens. */}}
{{- define "roomwire.loadPort" -}}
7780
{{- end -}}

{{/* The Job whose log is the report. Takes (list $ args). */}}
{{- define "roomwire.loadCoordinator" -}}
{{- $ := index . 0 }}
apiVersion: batch/v1
kind: Job
metadata:
  # One for each revision: a Job cannot be changed once it is there.
  name: {{ include "roomwire.fullname" $ }}-load-{{ $.Release.Revision }}
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "roomwire.labels" (list $ "loadtest") | nindent 4 }}
spec:
  # What it finds is no reason to try again.
  backoffLimit: 0
  {{- include "roomwire.loadJob" (dict "root" $ "component" "loadtest" "args" (index . 1)) | nindent 2 }}
{{- end -}}

{{/* The rest of a Job's specification. Takes a dict of root, component and args. */}}
{{- define "roomwire.loadJob" -}}
{{- $ := .root -}}
{{- $load := $.Values.loadtest -}}
{{- $secret := dict }}
{{- range include "roomwire.secrets" $ | fromJsonArray }}{{ if eq .name "jwtHs256Secret" }}{{ $secret = . }}{{ end }}{{ end -}}
{{- $isWorker := eq .component "loadtest-worker" -}}
{{- $coordinates := and (not $isWorker) (gt (int $load.workers) 0) -}}
{{- $mounts := and $coordinates $load.scenarioText -}}
activeDeadlineSeconds: {{ $load.activeDeadlineSeconds }}
ttlSecondsAfterFinished: {{ $load.ttlSecondsAfterFinished }}
template:
  metadata:
    labels:
      {{- include "roomwire.podLabels" (list $ .component) | nindent 6 }}
  spec:
    restartPolicy: Never
    serviceAccountName: {{ include "roomwire.serviceAccountName" $ }}
    {{- include "roomwire.placement" $ | trim | nindent 4 }}
    {{- if $isWorker }}
    # One machine is what they are to be more than.
    topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: ScheduleAnyway
        labelSelector:
          matchLabels:
            {{- include "roomwire.selectorLabels" (list $ .component) | nindent 12 }}
    {{- end }}
    containers:
      - name: loadtest
        image: {{ include "roomwire.image" (list $ $load.image) | quote }}
        imagePullPolicy: {{ $load.image.pullPolicy }}
        args:
          {{- toYaml .args | nindent 10 }}
        env:
          {{- if not $coordinates }}
          - { name: ROOMWIRE_SERVICE, value: "{{ include "roomwire.fullname" $ }}:{{ $.Values.service.port }}" }
          {{- end }}
          - name: JWT_HS256_SECRET
            valueFrom: { secretKeyRef: { name: {{ $secret.secret }}, key: {{ $secret.key }} } }
        {{- if $coordinates }}
        ports:
          - { name: coordinator, containerPort: {{ include "roomwire.loadPort" $ }}, protocol: TCP }
        {{- end }}
        securityContext:
          {{- toYaml $.Values.securityContext | nindent 10 }}
        resources:
          {{- toYaml $load.resources | nindent 10 }}
        {{- if $mounts }}
        volumeMounts:
          - { name: scenario, mountPath: /etc/roomwire, readOnly: true }
        {{- end }}
    {{- if $mounts }}
    volumes:
      - name: scenario
        configMap: { name: {{ include "roomwire.fullname" $ }}-load }
    {{- end }}
{{- end -}}
