module events-gateway/tests/tools/definitions

go 1.26.0

require (
	github.com/kedacore/keda/v2 v2.21.0
	github.com/prometheus-operator/prometheus-operator v0.83.0
	sigs.k8s.io/gateway-api v1.4.0
)
