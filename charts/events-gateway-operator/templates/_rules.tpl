{{- /*
What the operator may do where it runs gateways: in the whole cluster, or in each of its namespaces. No wildcards, and no verb
that it doesn't use.
*/ -}}
{{- define "operator.rules" -}}
# The resources themselves. Nobody's spec is written; finalizers because owners are named in what is built.
- apiGroups: [eventsgateway.dev]
  resources: [eventsgateways]
  verbs: [get, list, watch]
- apiGroups: [eventsgateway.dev]
  resources: [eventsgateways/status]
  verbs: [patch]
- apiGroups: [eventsgateway.dev]
  resources: [eventsgateways/finalizers]
  verbs: [update]
# Their finalizer is set here: a reset that is deleted midway lets consumption go on.
- apiGroups: [eventsgateway.dev]
  resources: [eventsgatewayoffsetresets]
  verbs: [get, list, watch, patch]
- apiGroups: [eventsgateway.dev]
  resources: [eventsgatewayoffsetresets/status]
  verbs: [patch]
# What a gateway is made of. Secrets: one with the admin token is made, those that a gateway names are read.
- apiGroups: [""]
  resources: [services, configmaps, serviceaccounts, secrets]
  verbs: [get, list, watch, create, patch, delete]
# Replicas that are to go are marked; their deletion is the Deployment's.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
# Used where they are installed.
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors, prometheusrules]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: [get, list, watch, create, patch, delete]
# Notices.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
