//! Schemas of what is read and written, derived from the types that do it.
//!
//! By `schemars`, as the configuration's are: its schemas are JSON Schema 2020-12, which is what OpenAPI 3.1 has.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// The schemas of a description.
pub(in crate::http) struct Schemas {
    written: SchemaGenerator,
    named: BTreeMap<String, Value>,
}

impl Schemas {
    pub(in crate::http) fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Self { written: settings.for_serialize().into_generator(), named: BTreeMap::new() }
    }

    /// The schema of what is written as this type.
    pub(in crate::http) fn written<T: JsonSchema>(&mut self) -> Value {
        self.written.subschema_for::<T>().to_value()
    }

    /// The schema of what is read as this type, in place: its bounds are the configuration's.
    pub(in crate::http) fn read<T: JsonSchema>(&self) -> Value {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
        let mut schema = settings.for_deserialize().into_generator().into_root_schema_for::<T>().to_value();
        schema.as_object_mut().map(|members| members.remove("title"));
        schema
    }

    /// A schema of what no type stands for, by name.
    pub(in crate::http) fn named(&mut self, name: &str, schema: Value) -> Value {
        self.named.insert(name.to_owned(), schema);
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    pub(super) fn into_components(mut self) -> Map<String, Value> {
        let mut components = self.written.take_definitions(true);
        components.extend(self.named);
        components.into_iter().collect()
    }
}
