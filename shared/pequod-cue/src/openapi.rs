//! `openapi.MarshalSchema`: definitions as the schemas of an OpenAPI 3.0 document.
//!
//! What a schema is made of follows the reference's encoder: a definition is a component, what refers to one is a `$ref`
//! to a component that is named after the way to it, and keywords stand in a fixed order. Only values whose parts are all
//! known here are encoded (see [`Call::is_schematic`]); every other ends the evaluation as not supported, since a schema
//! that lacks a constraint admits what it must not.

use std::collections::BTreeMap;
use std::sync::Arc;

use pequod_cue_eval::{Admitted, Builtin, Call, Kind, Run, Value, View, Which};
use pequod_cue_std::Datum;

/// The function.
pub(crate) const fn function() -> Builtin {
    Builtin {
        package: "openapi",
        name: "MarshalSchema",
        params: &[Kind::TOP, Kind::TOP],
        result: Kind::STRING,
        non_concrete: true,
        optional: 0,
        choice: None,
        unsigned: None,
        lists: &[],
        run: &marshal,
    }
}

/// Its first argument's definition.
pub(crate) const CONFIG: &str = "({
	#Config: {
		version!: \"3.0.0\"
		info?: #Info
		selfContained: bool | *false
		expandReferences: bool | *false
	}
	#Info: {
		title!: string
		version!: string
		summary?: string
		description?: string
		termsOfService?: string
		contact?: #Contact
		license?: #License
	}
	#Contact: {
		name?: string
		url?: string
		email?: string
	}
	#License: {
		name!: string
		url?: string
	}
}).#Config";

/// The keywords that stand first, in this order; the others follow by name.
const ORDER: [&str; 18] = [
    "description",
    "type",
    "format",
    "required",
    "properties",
    "minProperties",
    "maxProperties",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "items",
    "enum",
    "default",
];

const UNKNOWN: &str = "this value in openapi.MarshalSchema";

/// A schema's keywords. What is said twice is all of several schemas.
#[derive(Default)]
struct Schema {
    /// What there is once.
    once: Vec<(&'static str, Datum)>,
    /// What each of several says.
    each: Vec<Vec<(&'static str, Datum)>>,
}

impl Schema {
    fn once(&mut self, keyword: &'static str, value: Datum) {
        if !self.once.iter().any(|(known, _)| *known == keyword) {
            self.once.push((keyword, value));
        }
    }

    fn set(&mut self, keyword: &'static str, value: Datum) {
        match self.each.last_mut() {
            Some(last) if !last.iter().any(|(known, _)| *known == keyword) => {
                last.push((keyword, value));
            }
            _ => self.each.push(vec![(keyword, value)]),
        }
    }

    /// What must not be.
    fn not(&mut self, keyword: &'static str, value: Datum) {
        self.each.push(vec![("not", object([(keyword, value)]))]);
    }

    fn finish(mut self) -> Datum {
        let mut keywords = match self.each.len() {
            0 | 1 => self.each.pop().unwrap_or_default(),
            _ => {
                let each = self.each.into_iter().map(|mut keywords| {
                    sort(&mut keywords);
                    object(keywords)
                });
                vec![("allOf", Datum::List(each.collect()))]
            }
        };
        keywords.extend(self.once);
        sort(&mut keywords);
        object(keywords)
    }
}

fn sort(keywords: &mut [(&'static str, Datum)]) {
    let place = |keyword: &str| ORDER.iter().position(|known| *known == keyword);
    keywords.sort_by_key(|(keyword, _)| (place(keyword).unwrap_or(ORDER.len()), *keyword));
}

fn object(fields: impl IntoIterator<Item = (&'static str, Datum)>) -> Datum {
    let fields = fields.into_iter().map(|(name, value)| (name.into(), value));
    Datum::Struct(fields.collect())
}

/// The components of a document.
struct Document<'c, 'a, 's> {
    call: &'c mut Call<'a, 's>,
    /// References are replaced by what they refer to.
    expand: bool,
    components: BTreeMap<String, Datum>,
    /// What is referred to and not yet encoded.
    referred: BTreeMap<String, Value>,
    /// What is being expanded.
    within: Vec<Value>,
}

/// Ends at an error that was raised.
macro_rules! known {
    ($value:expr) => {
        match $value? {
            Some(value) => value,
            None => return Ok(None),
        }
    };
}

fn marshal(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    let View::Struct { fields, .. } = known!(call.view(call.arg(0))) else {
        return call.unsupported("this configuration of openapi.MarshalSchema");
    };
    let setting = |name: &str| {
        let of = |(known, value): &(Arc<str>, Value)| (**known == *name).then_some(*value);
        fields.iter().find_map(of)
    };
    let mut expand = false;
    if let Some(asked) = setting("expandReferences") {
        expand = matches!(known!(call.view(asked)), View::Bool(true));
    }
    let Some(asked) = setting("version") else {
        return Ok(call.incomplete("field not found: version"));
    };
    // There is one only; any other contradicts the configuration's definition.
    known!(call.view(asked));
    let schema = call.arg(1);
    let Some(Admitted::Struct(said)) = call.admitted(schema)? else {
        return call.unsupported(UNKNOWN);
    };
    let info = if let Some(info) = setting("info") {
        known!(crate::library::complete(
            call,
            info,
            crate::library::Reach::Regular
        ))
    } else {
        let title = call.comments(schema).first().cloned();
        let title = title.map_or_else(|| "Generated by cue.".into(), |text| joined(&[text]));
        object([
            ("title", Datum::String(title)),
            ("version", Datum::text("no version")),
        ])
    };
    let mut document = Document {
        call,
        expand,
        components: BTreeMap::new(),
        referred: BTreeMap::new(),
        within: Vec::new(),
    };
    for field in said {
        match field.which {
            Which::Definition(name) if name.ends_with("_value") => {}
            Which::Definition(name) => {
                let built = known!(document.schema(field.value));
                document.components.insert(name.to_string(), built);
            }
            Which::Required(name) => {
                return Ok(call.fail(format!("openapi: unsupported top-level field {name:?}")));
            }
            Which::Optional(_) => {}
            Which::Every | Which::Some => return call.unsupported(UNKNOWN),
        }
    }
    // What is referred to may refer to more.
    let mut done = 0;
    while done < document.referred.len() {
        done = document.referred.len();
        for (name, target) in document.referred.clone() {
            if !document.components.contains_key(&name) {
                let built = known!(document.body(target));
                document.components.insert(name, built);
            }
        }
    }
    let schemas = std::mem::take(&mut document.components);
    let schemas = schemas
        .into_iter()
        .map(|(name, schema)| (name.into(), schema));
    let whole = object([
        ("openapi", Datum::text("3.0.0")),
        ("info", info),
        ("paths", object([])),
        (
            "components",
            object([("schemas", Datum::Struct(schemas.collect()))]),
        ),
    ]);
    match pequod_cue_std::json_text(&whole) {
        Ok(text) => Ok(Some(call.string(&text))),
        Err(fault) => Ok(call.fail(fault.text)),
    }
}

impl Document<'_, '_, '_> {
    /// The schema of a field's or an element's value.
    fn schema(&mut self, value: Value) -> Run<Option<Datum>> {
        let Some((names, target)) = self.call.reference(value)? else {
            return self.body(value);
        };
        if !self.expand {
            let name = names.join(".");
            let link = Datum::text(format!("#/components/schemas/{name}"));
            self.referred.insert(name, target);
            return Ok(Some(object([("$ref", link)])));
        }
        if self.within.contains(&target) {
            return self
                .call
                .unsupported("a cycle in openapi.MarshalSchema")
                .map(|_| None);
        }
        self.within.push(target);
        let built = self.body(target);
        self.within.pop();
        built
    }

    /// The schema of a value that is not a mere reference.
    fn body(&mut self, value: Value) -> Run<Option<Datum>> {
        if !self.call.is_schematic(value)? {
            return self.call.unsupported(UNKNOWN).map(|_| None);
        }
        let mut schema = Schema::default();
        if let Some(name) = type_name(self.call.types(value).without(Kind::NULL)) {
            schema.once("type", Datum::text(name));
        }
        let comments = self.call.comments(value);
        if !comments.is_empty() {
            schema.once("description", Datum::String(joined(&comments)));
        }
        if self.constrain(&mut schema, value)?.is_none() {
            return Ok(None);
        }
        Ok(Some(schema.finish()))
    }

    /// Adds what a value says.
    fn constrain(&mut self, schema: &mut Schema, value: Value) -> Run<Option<()>> {
        match known!(self.call.admitted(value)) {
            Admitted::Anything => {}
            Admitted::Scalar(View::Null) => schema.once("nullable", Datum::Bool(true)),
            Admitted::Scalar(view) => {
                schema.set(
                    "enum",
                    Datum::List(vec![crate::library::scalar_datum(view)]),
                );
            }
            Admitted::Type(kind) => {
                if kind == Kind::NULL {
                    schema.once("nullable", Datum::Bool(true));
                }
            }
            Admitted::Bound(op, limit) => return self.bound(schema, op, limit),
            Admitted::Check(name, arguments) => return self.check(schema, &name, &arguments),
            Admitted::All(values) => {
                for value in values {
                    known!(self.constrain(schema, value));
                }
            }
            Admitted::Any(arms, 0) => return self.choice(schema, &arms),
            Admitted::Any(..) => return self.unknown(),
            Admitted::List { elements, rest } => match rest {
                // OpenAPI 3.0 has one schema for all elements of a list.
                Some(rest) if elements.is_empty() => {
                    let items = known!(self.schema(rest));
                    schema.once("items", items);
                }
                _ => return self.unknown(),
            },
            Admitted::Struct(said) => {
                let mut required = Vec::new();
                let mut properties = Vec::new();
                for field in said {
                    match field.which {
                        Which::Required(name) => {
                            required.push(Datum::String(name.clone()));
                            properties.push((name, known!(self.schema(field.value))));
                        }
                        Which::Optional(name) => {
                            properties.push((name, known!(self.schema(field.value))));
                        }
                        Which::Every => {
                            let every = known!(self.schema(field.value));
                            if !matches!(&every, Datum::Struct(keywords) if keywords.is_empty()) {
                                schema.once("additionalProperties", every);
                            }
                        }
                        Which::Definition(_) | Which::Some => return self.unknown(),
                    }
                }
                if !required.is_empty() {
                    schema.set("required", Datum::List(required));
                }
                if !properties.is_empty() {
                    schema.once("properties", Datum::Struct(properties));
                }
            }
        }
        Ok(Some(()))
    }

    fn bound(&mut self, schema: &mut Schema, op: &str, limit: View) -> Run<Option<()>> {
        let text = matches!(limit, View::Text(_));
        let number = matches!(limit, View::Int(_) | View::Float(_));
        let limit = crate::library::scalar_datum(limit);
        match op {
            "=~" if text => schema.set("pattern", limit),
            "!~" if text => schema.not("pattern", limit),
            ">=" if number => schema.set("minimum", limit),
            "<=" if number => schema.set("maximum", limit),
            ">" if number => {
                schema.set("exclusiveMinimum", Datum::Bool(true));
                schema.set("minimum", limit);
            }
            "<" if number => {
                schema.set("exclusiveMaximum", Datum::Bool(true));
                schema.set("maximum", limit);
            }
            _ => return self.unknown(),
        }
        Ok(Some(()))
    }

    /// A function that says yes or no. Those that the reference's encoder does not know say nothing there, which would be
    /// a schema that admits too much.
    fn check(&mut self, schema: &mut Schema, name: &str, arguments: &[Value]) -> Run<Option<()>> {
        let keyword = match name {
            "strings.MinRunes" => "minLength",
            "strings.MaxRunes" => "maxLength",
            "math.MultipleOf" => "multipleOf",
            _ => return self.unknown(),
        };
        let [argument] = arguments else {
            return self.unknown();
        };
        let View::Int(limit) = known!(self.call.view(*argument)) else {
            return self.unknown();
        };
        schema.set(keyword, Datum::Int(limit));
        Ok(Some(()))
    }

    /// Scalars are an enumeration, and null is a mark; one further value may stand beside null.
    fn choice(&mut self, schema: &mut Schema, arms: &[Value]) -> Run<Option<()>> {
        let (mut values, mut others) = (Vec::new(), Vec::new());
        for arm in arms {
            match known!(self.call.admitted(*arm)) {
                Admitted::Scalar(View::Null) => schema.once("nullable", Datum::Bool(true)),
                Admitted::Scalar(view) => values.push(crate::library::scalar_datum(view)),
                _ => others.push(*arm),
            }
        }
        match (others.as_slice(), values.is_empty()) {
            ([], true) => {}
            ([], false) => schema.set("enum", Datum::List(values)),
            ([other], true) => return self.constrain(schema, *other),
            _ => return self.unknown(),
        }
        Ok(Some(()))
    }

    fn unknown(&mut self) -> Run<Option<()>> {
        self.call.unsupported(UNKNOWN).map(|_| None)
    }
}

/// The type that a schema names, if it is one.
fn type_name(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::BOOL => "boolean",
        Kind::FLOAT | Kind::NUMBER => "number",
        Kind::INT => "integer",
        Kind::BYTES | Kind::STRING => "string",
        Kind::STRUCT => "object",
        Kind::LIST => "array",
        _ => return None,
    })
}

/// Comments as a description.
fn joined(comments: &[Arc<str>]) -> Arc<str> {
    let texts: Vec<&str> = comments.iter().map(|text| text.trim()).collect();
    texts.join("\n\n").trim().into()
}
