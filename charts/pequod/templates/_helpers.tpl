{{- define "pequod.name" -}}
{{- printf "%s-%s" .root.Release.Name .part | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{- define "pequod.selector" -}}
app.kubernetes.io/name: pequod
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "pequod.labels" -}}
{{ include "pequod.selector" . }}
app.kubernetes.io/part-of: pequod
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "pequod.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "pequod.podSpec" -}}
serviceAccountName: {{ include "pequod.name" . }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
priorityClassName: {{ .root.Values.priorityClassName }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "pequod.selector" . | nindent 8 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "pequod.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "pequod.environment" -}}
- name: RUST_LOG
  value: {{ .root.Values.logLevel | quote }}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
{{- end }}

{{- define "pequod.embedding" -}}
{{- with .Values.fleetEmbedding }}
{{- if .url -}}
- name: PEQUOD_FLEET_EMBEDDING_URL
  value: {{ .url | quote }}
- name: PEQUOD_FLEET_EMBEDDING_PROTOCOL
  value: {{ .protocol | quote }}
- name: PEQUOD_FLEET_EMBEDDING_MODEL
  value: {{ required "fleetEmbedding.model names the model on the server" .model | quote }}
{{- if .apiKeySecretRef.name }}
- name: PEQUOD_FLEET_EMBEDDING_API_KEY
  valueFrom: {secretKeyRef: {name: {{ .apiKeySecretRef.name }}, key: {{ .apiKeySecretRef.key }}}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "pequod.probes" -}}
livenessProbe:
  httpGet: {path: /healthz, port: health}
  initialDelaySeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: health}
  periodSeconds: 3
{{- end }}

{{- define "pequod.leaseRole" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ include "pequod.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "pequod.labels" . | nindent 4 }}
rules:
  - apiGroups: [coordination.k8s.io]
    resources: [leases]
    verbs: [get, create, patch, update]
{{- with .extraRules }}
{{ toYaml . | indent 2 }}
{{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ include "pequod.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "pequod.labels" . | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "pequod.name" . }}
subjects:
  - {kind: ServiceAccount, name: {{ include "pequod.name" . }}, namespace: {{ .root.Release.Namespace }}}
{{- end }}

{{- define "pequod.budget" -}}
{{- if .root.Values.podDisruptionBudget.enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "pequod.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "pequod.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{- include "pequod.selector" . | nindent 6 }}
{{- end }}
{{- end }}

{{- define "pequod.webhookClient" -}}
{{- if .root.Values.webhook.url -}}
url: {{ printf "%s%s" (trimSuffix "/" .root.Values.webhook.url) .path | quote }}
{{- else -}}
service:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  path: {{ .path }}
  port: 443
{{- end -}}
{{- end }}

{{- define "pequod.otherNamespaces" -}}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values: {{ concat (list "kube-system" "kube-node-lease" .Release.Namespace) .Values.webhook.excludedNamespaces | toJson }}
{{- end }}

{{- /* What a cluster needs to come up must never wait for a webhook that runs in it. */ -}}
{{- define "pequod.never" -}}
- name: not-by-the-api-server
  expression: "request.userInfo.username != 'system:apiserver'"
- name: not-what-a-node-needs
  expression: >-
    !(request.resource.group == '' && request.resource.resource in
    ['nodes', 'events', 'endpoints', 'bindings', 'componentstatuses'])
- name: not-what-a-cluster-needs
  expression: >-
    !(request.resource.group in ['admissionregistration.k8s.io', 'apiregistration.k8s.io',
    'authentication.k8s.io', 'authorization.k8s.io', 'certificates.k8s.io',
    'coordination.k8s.io', 'discovery.k8s.io', 'events.k8s.io',
    'flowcontrol.apiserver.k8s.io', 'internal.apiserver.k8s.io', 'metrics.k8s.io',
    'resource.k8s.io'] || (request.resource.group == 'storage.k8s.io' &&
    request.resource.resource in ['csinodes', 'csistoragecapacities', 'volumeattachments']))
- name: not-what-follows-by-itself
  expression: >-
    !(request.userInfo.username in ['system:serviceaccount:kube-system:clusterrole-aggregation-controller',
    'system:serviceaccount:kube-system:generic-garbage-collector',
    'system:serviceaccount:kube-system:legacy-service-account-token-cleaner',
    'system:serviceaccount:kube-system:namespace-controller',
    'system:serviceaccount:kube-system:root-ca-cert-publisher',
    'system:serviceaccount:kube-system:service-account-controller'])
- name: not-this-installation
  expression: >-
    !((request.resource.group == 'rbac.authorization.k8s.io' &&
    request.resource.resource in ['clusterroles', 'clusterrolebindings'] &&
    request.name in ['{{ .Release.Name }}-webhook', '{{ .Release.Name }}-transform-controller',
    '{{ .Release.Name }}-solution-controller', '{{ .Release.Name }}-fleet-agent']) ||
    (request.resource.group == 'apiextensions.k8s.io' &&
    (request.name.endsWith('.pequod.io') || request.name == 'solutions.dot-ai.io')))
{{- end }}
