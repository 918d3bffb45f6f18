{{- /*
What the operator may do where it runs gateways: in the whole cluster, or in each of its namespaces. No wildcards, and no verb
that it doesn't use.
*/ -}}
{{- define "operator.rules" -}}
# The resources themselves. Nobody's spec is written; finalizers because owners are named in what is built.
- apiGroups: [eventsgateway.dev]
  resources: [eventsgateways, eventsgatewayoffsetresets]
  verbs: [list, watch]
- apiGroups: [eventsgateway.dev]
  resources: [eventsgateways/status, eventsgatewayoffsetresets/status]
  verbs: [patch]
- apiGroups: [eventsgateway.dev]
  resources: [eventsgateways/finalizers]
  verbs: [update]
# What every gateway is made of; it goes with the resource, by Kubernetes' own hand.
- apiGroups: [""]
  resources: [services, configmaps, serviceaccounts]
  verbs: [get, list, watch, create, patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch]
# One with the admin token is made, and deleted when the gateway names its own; those that a gateway names are read.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, delete]
# Replicas that are to go are marked; their deletion is the Deployment's.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch]
# What a gateway may have or not.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
# The same, where it is installed.
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways]
  verbs: [get]
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
