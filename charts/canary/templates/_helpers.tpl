{{/* Every object's name: the release's, with the chart's unless it is in there. */}}
{{- define "canary.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods of this release; can never change. */}}
{{- define "canary.release" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* What selects the controllers among them. */}}
{{- define "canary.selector" -}}
{{ include "canary.release" . }}
app.kubernetes.io/component: controller
{{- end -}}

{{/* The labels of every object; a pod's component comes in addition. */}}
{{- define "canary.labels" -}}
{{ include "canary.release" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* Repository with digest, else with tag, else with the chart's appVersion. */}}
{{- define "canary.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* Which Prometheus; nothing where the controller is to look for it. */}}
{{- define "canary.prometheus" -}}
{{- if .Values.prometheus.url -}}
{{- .Values.prometheus.url -}}
{{- else if .Values.namespaces -}}
{{- printf "http://prometheus.%s.svc:9090" .Values.viz.namespace -}}
{{- end -}}
{{- end -}}

{{/* What a rollout needs in its namespace, and nothing that deletes: splits stay, Deployments are the user's. */}}
{{- define "canary.rules" -}}
- apiGroups: [canary.dev] # followed; the finalizer is patched
  resources: [canaries]
  verbs: [list, watch, patch]
- apiGroups: [canary.dev]
  resources: [canaries/status]
  verbs: [update]
- apiGroups: [split.smi-spec.io] # the weights
  resources: [trafficsplits]
  verbs: [list, watch, create, patch]
- apiGroups: [apps] # promotion writes the analysed template to stable
  resources: [deployments]
  verbs: [list, watch, patch]
- apiGroups: [apps] # the canary is scaled ahead of its weight
  resources: [deployments/scale]
  verbs: [patch]
- apiGroups: [apps] # the analysed template is read from the revision's ReplicaSet
  resources: [replicasets]
  verbs: [list]
- apiGroups: [autoscaling] # a canary with an autoscaler is not scaled by us
  resources: [horizontalpodautoscalers]
  verbs: [list]
- apiGroups: [""] # readiness
  resources: [pods]
  verbs: [list]
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch]
- apiGroups: [""] # what on-call reads; the same again is counted on the Event that is there
  resources: [events]
  verbs: [get, create, patch]
{{- end -}}

{{/* Where pods run and as whom: the same for controllers, hook and test. */}}
{{- define "canary.placement" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.pod.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pod.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The image, and how little its container may do. */}}
{{- define "canary.container" -}}
image: {{ include "canary.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
