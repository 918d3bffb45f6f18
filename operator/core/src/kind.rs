//! The kinds of objects that the operator makes.

use kube::core::ApiResource;

/// A kind of object that the operator makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The pods' identity, without any right.
    ServiceAccount,
    /// The admin listener's token.
    Secret,
    /// The configuration file.
    ConfigMap,
    /// The public Service and the headless one of the admin listeners.
    Service,
    /// Who may reach the pods.
    NetworkPolicy,
    /// How many pods may be evicted at a time.
    PodDisruptionBudget,
    /// The replicas.
    Deployment,
    /// A way in.
    Ingress,
    /// A way in, by the Gateway API.
    HttpRoute,
    /// An autoscaler.
    HorizontalPodAutoscaler,
    /// An autoscaler, by KEDA.
    ScaledObject,
    /// Where Prometheus finds metrics.
    ServiceMonitor,
    /// What is worth an alert.
    PrometheusRule,
}

impl Kind {
    /// All kinds, in the order in which they are applied: what pods need comes before the Deployment, ways in after it.
    pub const ALL: [Self; 13] = [
        Self::ServiceAccount,
        Self::Secret,
        Self::ConfigMap,
        Self::Service,
        Self::NetworkPolicy,
        Self::PodDisruptionBudget,
        Self::Deployment,
        Self::Ingress,
        Self::HttpRoute,
        Self::HorizontalPodAutoscaler,
        Self::ScaledObject,
        Self::ServiceMonitor,
        Self::PrometheusRule,
    ];

    /// Group, version, kind and plural.
    #[must_use]
    pub const fn names(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::ServiceAccount => ("", "v1", "ServiceAccount", "serviceaccounts"),
            Self::Secret => ("", "v1", "Secret", "secrets"),
            Self::ConfigMap => ("", "v1", "ConfigMap", "configmaps"),
            Self::Service => ("", "v1", "Service", "services"),
            Self::NetworkPolicy => ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
            Self::PodDisruptionBudget => ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
            Self::Deployment => ("apps", "v1", "Deployment", "deployments"),
            Self::Ingress => ("networking.k8s.io", "v1", "Ingress", "ingresses"),
            Self::HttpRoute => ("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
            Self::HorizontalPodAutoscaler => {
                ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
            }
            Self::ScaledObject => ("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects"),
            Self::ServiceMonitor => ("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"),
            Self::PrometheusRule => ("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules"),
        }
    }

    /// `GROUP/VERSION`, or `VERSION` of the core group.
    #[must_use]
    pub fn api_version(self) -> String {
        match self.names() {
            ("", version, ..) => version.into(),
            (group, version, ..) => format!("{group}/{version}"),
        }
    }

    /// What kube's dynamic client calls it.
    #[must_use]
    pub fn resource(self) -> ApiResource {
        let (group, version, kind, plural) = self.names();
        ApiResource {
            group: group.into(),
            version: version.into(),
            api_version: self.api_version(),
            kind: kind.into(),
            plural: plural.into(),
        }
    }

    /// Whether pods must not be made without it: who they are, what they read, who may reach them.
    #[must_use]
    pub const fn is_needed_by_pods(self) -> bool {
        matches!(self, Self::ServiceAccount | Self::Secret | Self::ConfigMap | Self::NetworkPolicy)
    }

    /// Whether a cluster may be without it, since it isn't Kubernetes' own.
    #[must_use]
    pub const fn is_optional(self) -> bool {
        matches!(self, Self::HttpRoute | Self::ScaledObject | Self::ServiceMonitor | Self::PrometheusRule)
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn all_are_there_once_and_pods_find_what_they_need() {
        let place = |kind| Kind::ALL.iter().position(|known| *known == kind).unwrap();
        for kind in Kind::ALL.into_iter().filter(|kind| kind.is_needed_by_pods()) {
            assert!(place(kind) < place(Kind::Deployment));
        }
        let distinct: std::collections::BTreeSet<_> = Kind::ALL.iter().collect();
        assert_eq!(distinct.len(), Kind::ALL.len());
        assert_eq!(Kind::HttpRoute.api_version(), "gateway.networking.k8s.io/v1");
        assert_eq!(Kind::ConfigMap.api_version(), "v1");
    }
}
