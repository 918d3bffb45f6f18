{{- /* Labels and annotations of a definition. */ -}}
{{- define "events-gateway-crds.metadata" -}}
{{- $labels := dict
      "app.kubernetes.io/name" "events-gateway"
      "app.kubernetes.io/component" "api"
      "app.kubernetes.io/version" .Chart.AppVersion
      "app.kubernetes.io/managed-by" .Release.Service
      "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- $annotations := ternary (dict "helm.sh/resource-policy" "keep") dict .Values.keep -}}
labels:
  {{- toYaml (merge $labels .Values.labels) | nindent 2 }}
{{- with merge $annotations .Values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
