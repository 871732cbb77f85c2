//! The REST interface described, in OpenAPI 3.1. Schemas come from the types that are sent.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::api::{ClustersAnswer, FacetAnswer, KindsAnswer, ObjectAnswer};
use crate::answer::Answered;

/// A path: what it does, its parameters (name, meaning, required), the name of its answer's schema.
struct Operation {
    path: &'static str,
    summary: &'static str,
    parameters: &'static [(&'static str, &'static str, bool)],
    answer: &'static str,
}

const OPERATIONS: &[Operation] = &[
    Operation {
        path: "/api/v1/search",
        summary: "Objects that an exact query or a question in plain words finds",
        parameters: &[
            ("q", "The exact query, as for `kubectl fleet search`", false),
            ("ask", "A question in plain words instead", false),
            (
                "limit",
                "At most so many objects (100, at most 10000)",
                false,
            ),
        ],
        answer: "Answered",
    },
    Operation {
        path: "/api/v1/object",
        summary: "One object",
        parameters: &[("id", "Its readable id", true)],
        answer: "ObjectAnswer",
    },
    Operation {
        path: "/api/v1/facets",
        summary: "The values of a field, with the number of objects that have each",
        parameters: &[
            ("field", "The field", true),
            ("q", "Of the objects that this query finds", false),
        ],
        answer: "FacetAnswer",
    },
    Operation {
        path: "/api/v1/clusters",
        summary: "The clusters: freshness and completeness",
        parameters: &[],
        answer: "ClustersAnswer",
    },
    Operation {
        path: "/api/v1/kinds",
        summary: "The kinds of the clusters, and what they are for",
        parameters: &[],
        answer: "KindsAnswer",
    },
];

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut generator = settings.into_generator();
    generator.subschema_for::<Answered>();
    generator.subschema_for::<ObjectAnswer>();
    generator.subschema_for::<FacetAnswer>();
    generator.subschema_for::<ClustersAnswer>();
    generator.subschema_for::<KindsAnswer>();
    let mut schemas = generator.take_definitions(true);
    schemas.insert(
        "Problem".to_owned(),
        json!({"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}),
    );
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let parameters: Vec<Value> = operation
            .parameters
            .iter()
            .map(|(name, meaning, required)| {
                let kind = if *name == "limit" { "integer" } else { "string" };
                json!({"name": name, "in": "query", "required": required, "description": meaning, "schema": {"type": kind}})
            })
            .collect();
        let mut responses = Map::new();
        responses.insert("200".to_owned(), content("The answer", operation.answer));
        for (code, why) in [
            ("400", "What was asked cannot be read"),
            ("401", "No token, or one that is not accepted"),
            ("404", "No such object, or none the caller may read"),
            ("429", "Too many requests; Retry-After says when"),
            ("503", "The store or the audit log is away"),
        ] {
            responses.insert(code.to_owned(), content(why, "Problem"));
        }
        paths.insert(
            operation.path.to_owned(),
            json!({"get": {"summary": operation.summary, "parameters": parameters, "responses": responses}}),
        );
    }
    paths.insert(
        "/api/v1/watch".to_owned(),
        json!({"get": {
            "summary": "Changes of the objects that a query finds, over a WebSocket: JSON messages with `type` snapshot, added, changed, gone or problem",
            "parameters": [{"name": "q", "in": "query", "required": false, "schema": {"type": "string"}}],
            "responses": {"101": {"description": "The WebSocket"}, "401": content("No token, or one that is not accepted", "Problem")},
        }}),
    );
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Pequod fleet", "version": env!("CARGO_PKG_VERSION"),
            "description": "Every object of every cluster the caller may read, with the truth about how fresh and complete the answer is. Read-only.",
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    })
}

fn content(description: &str, schema: &str) -> Value {
    json!({"description": description, "content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(to)) = map.get("$ref") {
                    found.push(to.clone());
                }
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 10);
        for to in found {
            let pointer = to.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{to}");
        }
    }
}
