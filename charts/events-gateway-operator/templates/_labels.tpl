{{- /*
What selects the operator's pods. app.kubernetes.io/name can't be changed: the network policies of gateways let these pods
reach the admin port by it.
*/ -}}
{{- define "operator.selector" -}}
app.kubernetes.io/name: events-gateway-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "operator.labels" -}}
{{- $labels := dict
      "app.kubernetes.io/name" "events-gateway-operator"
      "app.kubernetes.io/instance" .Release.Name
      "app.kubernetes.io/version" .Chart.AppVersion
      "app.kubernetes.io/managed-by" .Release.Service
      "app.kubernetes.io/part-of" "events-gateway"
      "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- toYaml (merge $labels .Values.labels) -}}
{{- end -}}

{{- /* Labels and annotations of an object, with annotations of its own: (list $ annotations). */ -}}
{{- define "operator.metadata" -}}
{{- $root := first . -}}
labels:
  {{- include "operator.labels" $root | nindent 2 }}
{{- with merge (dict) (last .) $root.Values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* The labels of the pod that `helm test` runs: not those of the operator, whose Service and budget it is none of. */ -}}
{{- define "operator.testSelector" -}}
app.kubernetes.io/name: events-gateway-operator-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
