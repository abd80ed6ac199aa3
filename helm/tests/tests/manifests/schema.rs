//! The schema of the values knows every key, and refuses what it does not know.

use std::collections::BTreeSet;
use std::path::Path;

use roomwire_chart_tests::{Error, Helm, Render};
use serde_json::{Map, Value, json};

use crate::cases::{MINIMAL, values};

fn schema() -> Value {
    values(Path::new("values.schema.json"))
}

/// What a schema refers to, or itself.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema["$ref"]
        .as_str()
        .and_then(|target| target.strip_prefix('#'));
    target.map_or(schema, |at| root.pointer(at).unwrap())
}

/// Each key of the values with its path and schema, from the top, those in lists left out.
fn keys(root: &Value) -> Vec<(Vec<String>, Value)> {
    let mut found = Vec::new();
    let mut open = vec![(Vec::new(), root.clone())];
    while let Some((path, schema)) = open.pop() {
        let properties = schema["properties"].as_object().cloned();
        for (key, schema) in properties.unwrap_or_default() {
            let mut below = path.clone();
            below.push(key);
            open.push((below, resolved(root, &schema).clone()));
        }
        found.push((path, schema));
    }
    found
}

/// Puts a value under a key at a path, where there may be nothing yet.
fn put(values: &mut Value, path: &[String], key: &str, value: Value) {
    let place = path.iter().fold(values, |place, key| {
        if place[key.as_str()].is_null() {
            place[key.as_str()] = json!({});
        }
        &mut place[key.as_str()]
    });
    place[key] = value;
}

/// Each Helm refuses the values and names all of what is listed for it.
fn all_named(values: &Value, by_helm3: &[String], by_helm4: &[String]) {
    for (helm, wanted) in [(Helm::V3, by_helm3), (Helm::V4, by_helm4)] {
        let said = refusal(helm, &values.to_string());
        let missing = wanted.iter().filter(|text| !said.contains(text.as_str()));
        let missing: Vec<&String> = missing.collect();
        assert!(
            missing.is_empty(),
            "{helm:?} has nothing against {missing:?}: {said}"
        );
    }
}

/// What Helm says of values that it should refuse.
pub(crate) fn refusal(helm: Helm, values: &str) -> String {
    let render = Render::new(helm).file(MINIMAL).values(values);
    match render.run() {
        Err(Error::Refused(said)) => said,
        other => panic!("{helm:?} does not refuse {values}: {other:?}"),
    }
}

#[test]
fn every_object_of_the_schema_that_has_keys_refuses_others() {
    let root = schema();
    let mut found = 0;
    for (path, schema) in keys(&root) {
        if schema.get("properties").is_some() {
            found += 1;
            assert_eq!(schema["additionalProperties"], false, "{path:?}");
            assert_eq!(schema["type"], "object", "{path:?}");
        }
        // What has neither a type nor a list of words takes anything.
        let says = ["type", "enum", "anyOf"]
            .iter()
            .any(|key| schema.get(key).is_some());
        assert!(says, "{path:?}");
    }
    assert!(found > 20);
}

#[test]
fn a_misspelt_key_is_refused_at_every_level() {
    let root = schema();
    let mut values = json!({});
    let mut misspelt = Vec::new();
    for (path, schema) in keys(&root) {
        if schema.get("properties").is_some() {
            let key = format!("misspelt{}", path.concat());
            put(&mut values, &path, &key, json!(true));
            misspelt.push(key);
        }
    }
    assert!(misspelt.len() > 20);
    all_named(&values, &misspelt, &misspelt);
}

/// A value that a schema cannot want.
fn wrong(schema: &Value) -> Value {
    let types = match &schema["type"] {
        Value::Array(several) => several.clone(),
        one => vec![one.clone()],
    };
    let is_text = types.contains(&json!("string"));
    if is_text || schema.get("anyOf").is_some() {
        json!({ "not": "that" })
    } else {
        json!("not that")
    }
}

#[test]
fn a_value_of_a_wrong_type_is_refused_wherever_it_is() {
    let root = schema();
    let mut levels: [(Value, Vec<Vec<String>>); 2] = [(json!({}), vec![]), (json!({}), vec![])];
    for (path, schema) in keys(&root) {
        if let [above @ .., key] = &path[..]
            && let Some((values, paths)) = levels.get_mut(above.len())
        {
            put(values, above, key, wrong(&schema));
            paths.push(path);
        }
    }
    for (values, paths) in levels {
        assert!(paths.len() > 40);
        let joined = |joint| {
            paths
                .iter()
                .map(|path| path.join(joint))
                .collect::<Vec<_>>()
        };
        all_named(&values, &joined("."), &joined("/"));
    }
}

#[test]
fn the_values_of_the_chart_and_its_schema_have_the_same_keys() {
    let root = schema();
    let all = values(Path::new("values.yaml"));
    for (path, schema) in keys(&root) {
        let Some(known) = schema["properties"].as_object() else {
            continue;
        };
        // Every setting stands in a comment; `global` is Helm's own, for charts in charts.
        if path == ["config"] {
            continue;
        }
        let mut value = &all;
        for key in &path {
            value = &value[key];
        }
        let optional = ["global", "initialDelaySeconds", "successThreshold"];
        let listed = |map: &Map<String, Value>| -> BTreeSet<String> {
            let keys = map.keys().filter(|key| !optional.contains(&key.as_str()));
            keys.cloned().collect()
        };
        let given = listed(value.as_object().unwrap());
        // An empty map is where everything may be left out.
        if !given.is_empty() {
            assert_eq!(given, listed(known), "{path:?}");
        }
    }
}

#[test]
fn each_setting_refuses_a_value_of_another_type() {
    let root = schema();
    let settings = root["properties"]["config"]["properties"]
        .as_object()
        .unwrap();
    let config: Map<String, Value> = settings
        .iter()
        .map(|(key, schema)| (key.clone(), wrong(schema)))
        .collect();
    let values = json!({ "config": config });
    let joined = |joint: &str| -> Vec<String> {
        let keys = settings.keys();
        keys.map(|key| format!("config{joint}{key}")).collect()
    };
    all_named(&values, &joined("."), &joined("/"));
}
