{{/* The name of everything that is installed. */}}
{{- define "fabula.name" -}}
{{- default (printf "%s-operator" .Release.Name) .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "fabula.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "fabula.name" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name must name an existing ServiceAccount when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "fabula.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: fabula
{{ include "fabula.selector" . }}
{{- end }}

{{- define "fabula.selector" -}}
app.kubernetes.io/name: fabula-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* An image reference: as it stands when it has a tag or a digest, else with the common tag.
     Call with (list $ reference). */}}
{{- define "fabula.image" -}}
{{- $root := index . 0 -}}
{{- $reference := index . 1 -}}
{{- if or (contains "@" $reference) (contains ":" (last (splitList "/" $reference))) -}}
{{- $reference -}}
{{- else -}}
{{- printf "%s:%s" $reference (default $root.Chart.AppVersion $root.Values.images.tag) -}}
{{- end -}}
{{- end }}

{{/* What the operator may do in a namespace whose worlds it runs. No Secrets, and no wildcard. */}}
{{- define "fabula.rules" -}}
# Its own kinds: it reads what people want and writes what it sees, never a spec.
- apiGroups: [fabula.dev]
  resources: [worlds, modelensembles, storytellers, evolutionexperiments]
  verbs: [get, list, watch]
- apiGroups: [fabula.dev]
  resources: [worlds/status, modelensembles/status, storytellers/status, evolutionexperiments/status]
  verbs: [get, patch]
# No object has these; clusters that check who may block an owner's deletion ask for them.
- apiGroups: [fabula.dev]
  resources:
    - worlds/finalizers
    - modelensembles/finalizers
    - storytellers/finalizers
    - evolutionexperiments/finalizers
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs/finalizers]
  verbs: [update]
# What it makes of them and takes down again when a member changes.
- apiGroups: [apps]
  resources: [deployments, controllerrevisions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# Jobs that resolve and fetch models. The claim that a Job fills is the Job's and goes with it.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
# What it makes and only garbage collection deletes: what holds data is not its to destroy.
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [configmaps, persistentvolumeclaims]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get, list, create, patch]
# A gateway reads two ConfigMaps by name, so it gets a Role of its own; Kubernetes lets the operator
# grant no more than it holds.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, create, patch]
# What it looks at to say why something is not ready.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
# What it tells.
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end }}
