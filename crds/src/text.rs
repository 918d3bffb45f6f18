//! Texts of one form each: addresses, names, templates. The schema carries the form, and what to tell when it is missed.

/// Declares a text with a pattern, a greatest length and words for people. The pattern is of both ECMA 262 and RE2: no
/// look-around, no repetition above 1,000.
#[macro_export]
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:literal, $pattern:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": $pattern,
                    "maxLength": $max,
                    "x-kind": $kind,
                    "x-expected": $expected,
                })
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

text!(
    /// An IP address to listen on.
    IpText, "IP address", 45, r"^[0-9A-Fa-f:.]{2,45}$", "an IP address such as 0.0.0.0 or ::"
);
text!(
    /// A host and a port.
    HostPort, "host:port", 261, r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?):[0-9]{1,5}$",
    "a host and a port such as redis:6379 (no scheme, no credentials)"
);
text!(
    /// The path of a file, absolute or relative to the working directory.
    FilePath, "path", 4096, r"^[^\x00-\x1f]+$", "the path of a file"
);
text!(
    /// The first segments of every public path.
    PathPrefix, "path", 200, r"^(/[A-Za-z0-9._~-]+)+$", "a path such as /api/v1: it begins with / and doesn't end with it"
);
text!(
    /// The origin of a web page, or `*`.
    Origin, "origin", 300, r"^(\*|https?://[A-Za-z0-9.\[\]:-]+)$",
    "an origin such as https://app.example.org (scheme, host, port if unusual, no path), or *"
);
text!(
    /// A name of small letters, digits and hyphens (a DNS label of RFC 1123).
    Label, "name", 63, "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "a name of at most 63 small letters, digits and hyphens"
);
text!(
    /// The name of a Kafka topic.
    Topic, "topic", 249, r"^[A-Za-z0-9._-]{1,249}$", "the name of a Kafka topic: letters, digits, '.', '_' and '-'"
);
text!(
    /// An identifier that goes to Kafka or Redis as it is.
    Identifier, "text", 200, r"^[^\x00-\x20\x7f]{1,200}$", "a text without spaces or control characters"
);
text!(
    /// What every key in Redis begins with.
    KeyPrefix, "text", 32, r"^[A-Za-z0-9_.:-]{1,32}$", "a prefix of letters, digits and '_.:-', such as egw:"
);
text!(
    /// An environment variable's name.
    VariableName, "variable", 200, r"^[A-Za-z_][A-Za-z0-9_]{0,199}$", "the name of an environment variable"
);
text!(
    /// An http or https URL without credentials.
    Url, "URL", 2000, r"^https?://[^\s/?#@]+(/[^\s#]*)?$", "an http or https URL without credentials in it"
);
text!(
    /// A channel: segments of `A-Z a-z 0-9 _ . -`, joined by `:`.
    ChannelName, "channel", 200, r"^[A-Za-z0-9_.~-]+(:[A-Za-z0-9_.~-]+)*$", "a channel such as orders or user:42"
);
text!(
    /// Channels by form: `*` stands for one segment, `**` at the end for one or more.
    ChannelPattern, "channel pattern", 200, r"^([A-Za-z0-9_.~-]+|\*)(:([A-Za-z0-9_.~-]+|\*))*(:\*\*)?$|^\*\*$",
    "a channel pattern such as user:* (one segment) or orders:** (one or more)"
);
text!(
    /// Channels by form, whose segments may be claims: `user:{sub}`, `process:{claims./processes/0}`, `orders:*`.
    AccessPattern, "channel pattern", 500,
    r"^([A-Za-z0-9_.~-]+|\*|\{(sub|claims\.(/[^\x00-\x1f{}]*)+)\})(:([A-Za-z0-9_.~-]+|\*|\{(sub|claims\.(/[^\x00-\x1f{}]*)+)\}))*(:\*\*)?$|^\*\*$",
    "a channel pattern whose segments are texts, * or claims, such as orders:*, user:{sub} or process:{claims./processes/*}"
);
text!(
    /// A network of addresses (CIDR, RFC 4632).
    Network, "network", 49, r"^[0-9A-Fa-f:.]{2,45}/[0-9]{1,3}$", "a network such as 10.0.0.0/8 or fd00::/8"
);
text!(
    /// What a registered claim of a token holds.
    ClaimText, "text", 500, r"^[^\x00-\x1f\x7f]{1,500}$", "a text without control characters"
);
text!(
    /// The name of a cookie (RFC 6265, section 4.1.1).
    CookieName, "cookie", 100, r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$", "the name of a cookie such as __Host-session"
);
text!(
    /// The name of a field of a request's head (RFC 9110, section 5.1), in small letters.
    FieldName, "field", 100, r"^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$", "the name of a field in small letters, such as authorization"
);
text!(
    /// The name of a parameter of the query.
    ParameterName, "parameter", 50, r"^[a-z][a-z0-9_]{0,49}$", "a name of small letters, digits and '_'"
);
text!(
    /// Text with `{…}` placeholders for parts of a record.
    Template, "template", 1024, r"^[^\x00-\x1f]+$", "a template such as user:{value./recipient/id}"
);
text!(
    /// A CEL expression, not longer than 1 KiB.
    Expression, "CEL", 1024, r"^[\s\S]+$", "a CEL expression of at most 1 KiB"
);
text!(
    /// A JSON pointer (RFC 6901), not the empty one.
    Pointer, "JSON pointer", 500, r"^(/[^\x00-\x1f/]*)+$", "a JSON pointer such as /customer/name"
);
text!(
    /// A JSON pointer in which `*` stands for each element of an array.
    PointerPattern, "JSON pointer", 500, r"^(/[^\x00-\x1f/]*)+$", "a JSON pointer such as /customer/name or /items/*/price"
);
text!(
    /// The name of an event's attribute.
    AttributeName, "attribute", 200, r"^[^\x00-\x1f\x7f]{1,200}$", "an attribute's name"
);
text!(
    /// A path whose segments may be values in braces.
    AliasPath, "path", 400, r"^(/([A-Za-z0-9._~-]+|\{[A-Za-z0-9_]+\}))+/?$",
    "a path such as /api/messages/stream/ or /api/events/users/{user}"
);
text!(
    /// A channel whose segments may be values in braces.
    AliasChannel, "channel", 400,
    r"^([A-Za-z0-9_.~-]+|\{[A-Za-z0-9_]+\})(:([A-Za-z0-9_.~-]+|\{[A-Za-z0-9_]+\}))*$", "a channel such as orders or user:{user}"
);
text!(
    /// The name of a parameter of an alias.
    AliasParameterName, "parameter", 100, r"^[A-Za-z0-9_.~-]{1,100}$", "a name of letters, digits and '_.~-'"
);
text!(
    /// The value of one client setting.
    SettingValue, "text", 200, r"^[^\x00-\x1f]{1,200}$", "a text (put numbers and booleans into quotes)"
);
