{{- /* The name that objects are called by. Pods add at most 17 characters to a Deployment's name, and have 63. */ -}}
{{- define "operator.name" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $name = ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- end -}}
{{- $name | trunc 45 | trimSuffix "-" -}}
{{- end -}}

{{- define "operator.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "operator.name" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "operator.lease" -}}
{{- .Values.leaderElection.leaseName | default (include "operator.name" .) -}}
{{- end -}}

{{- /* An image's reference, of the image and the chart: (list image $). A digest decides, whatever the tag. */ -}}
{{- define "operator.image" -}}
{{- $image := first . -}}
{{- $root := last . -}}
{{- $tagged := printf "%s:%s" $image.repository (default $root.Chart.AppVersion $image.tag) -}}
{{- ternary (printf "%s@%s" $image.repository $image.digest) $tagged (not (empty $image.digest)) -}}
{{- end -}}
