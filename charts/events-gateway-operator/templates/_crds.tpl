{{- /* Labels and annotations of a definition. */ -}}
{{- define "operator.crd" -}}
{{- $annotations := ternary (dict "helm.sh/resource-policy" "keep") dict .Values.crds.keep -}}
{{- include "operator.metadata" (list . (merge $annotations .Values.crds.annotations)) -}}
{{- end -}}
