//! Texts of Kubernetes, one form each.

use events_gateway_crds::text;

text!(
    /// The name of an object (a DNS subdomain of RFC 1123).
    ObjectName, "name", 253, r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    "the name of an object: small letters, digits, '-' and '.'"
);
text!(
    /// A key in the data of a Secret or ConfigMap.
    DataKey, "key", 253, r"^[-._a-zA-Z0-9]+$", "a key of a Secret or ConfigMap: letters, digits, '-', '_' and '.'"
);
text!(
    /// A container image.
    ImageReference, "image", 512, r"^[a-z0-9][A-Za-z0-9._:/-]*(@sha256:[a-f0-9]{64})?$",
    "an image such as registry.example.org/events-gateway:1.2.3, with or without a digest"
);
text!(
    /// A host name, the first label may be a wildcard.
    HostName, "host", 253, r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    "a host name such as events.example.org or *.example.org"
);
text!(
    /// An amount of a resource.
    Quantity, "quantity", 24, r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$", "a quantity such as 500m, 1.5 or 256Mi"
);
text!(
    /// The value of a label.
    LabelValue, "label", 63, r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$",
    "the value of a label: at most 63 letters, digits, '-', '_' and '.'"
);
text!(
    /// The key of a label, with or without a prefix.
    LabelKey, "label key", 317, r"^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
    "the key of a label, such as topology.kubernetes.io/zone"
);
text!(
    /// The value of an annotation.
    AnnotationValue, "text", 4096, r"^[\s\S]*$", "a text of at most 4,096 characters"
);
text!(
    /// An address range (RFC 4632, RFC 4291).
    Cidr, "address range", 49, r"^[0-9A-Fa-f:.]{2,45}/[0-9]{1,3}$", "an address range such as 10.0.0.0/8"
);
text!(
    /// A moment (RFC 3339).
    Timestamp, "time", 40, r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$",
    "a time such as 2026-11-21T10:00:00Z"
);
text!(
    /// What an operator says to people.
    Sentence, "text", 1024, r"^[\s\S]*$", "a text of at most 1,024 characters"
);
text!(
    /// A stable word for programs.
    Reason, "reason", 128, r"^[A-Za-z]([A-Za-z0-9]*)$", "a word such as InvalidSpec"
);
