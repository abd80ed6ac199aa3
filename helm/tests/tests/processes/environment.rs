//! The environment of a container, as the manifest gives it.

use std::collections::BTreeMap;
use std::fmt;

use roomwire_chart_tests::Container;
use serde_json::Value;

use super::container::Place;

/// What Secrets of the namespace hold, by their names and keys.
#[derive(Default)]
pub(crate) struct Secrets(BTreeMap<(String, String), String>);

impl Secrets {
    /// Puts a value into a Secret.
    pub(crate) fn with(mut self, secret: &str, key: &str, value: impl Into<String>) -> Self {
        let place = (secret.to_owned(), key.to_owned());
        self.0.insert(place, value.into());
        self
    }

    /// The value of a key.
    pub(crate) fn value(&self, secret: &str, key: &str) -> &str {
        let value = self.0.get(&(secret.to_owned(), key.to_owned()));
        value.unwrap_or_else(|| panic!("there is no key {key} in a Secret {secret}"))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The variables of a container, in the order in which they are set.
pub(crate) fn environment(
    container: Container<'_>,
    place: &Place,
    secrets: &Secrets,
) -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = Vec::new();
    for entry in container.env() {
        let value = match (entry.value, entry.source) {
            (Some(value), None) => expand(value, &variables),
            (None, Some(source)) => sourced(source, place, secrets),
            (None, None) => String::new(),
            (Some(_), Some(_)) => panic!("{} has a value and a source", entry.name),
        };
        variables.retain(|(name, _)| name != entry.name);
        variables.push((entry.name.to_owned(), value));
    }
    variables
}

fn sourced(source: &Value, place: &Place, secrets: &Secrets) -> String {
    if let Some(path) = source.pointer("/fieldRef/fieldPath") {
        return match path.as_str().unwrap() {
            "metadata.name" => place.name.clone(),
            "metadata.namespace" => place.namespace.clone(),
            "spec.nodeName" => place.node.clone(),
            "status.podIP" => place.ip.to_string(),
            other => panic!("nothing is known of the field {other}: obey it here"),
        };
    }
    let text = |key: &str| source["secretKeyRef"][key].as_str().unwrap();
    secrets.value(text("name"), text("key")).to_owned()
}

/// Replaces `$(NAME)` by the value of a variable that was set before; one that was not stays as it is,
/// and `$$` is a dollar.
pub(crate) fn expand(text: &str, variables: &[(String, String)]) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let reference = after
            .strip_prefix('(')
            .and_then(|name| name.split_once(')'));
        if let Some(escaped) = after.strip_prefix('$') {
            expanded.push('$');
            rest = escaped;
        } else if let Some((name, then)) = reference {
            let known = variables.iter().find(|(known, _)| known == name);
            match known {
                Some((_, value)) => expanded.push_str(value),
                None => expanded.extend(["$(", name, ")"]),
            }
            rest = then;
        } else {
            expanded.push('$');
            rest = after;
        }
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::path::PathBuf;

    use roomwire_chart_tests::Manifest;
    use serde_json::json;

    use super::*;

    fn variables(env: &Value) -> Vec<(String, String)> {
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": "one" },
            "spec": { "containers": [{ "name": "gateway", "env": env }] },
        });
        let manifest = Manifest::new(pod, "").unwrap();
        let place = Place {
            name: "chat-1".to_owned(),
            namespace: "rooms".to_owned(),
            node: "north".to_owned(),
            ip: IpAddr::V4(Ipv4Addr::new(127, 9, 9, 9)),
            folder: PathBuf::new(),
        };
        let secrets = Secrets::default().with("keys", "one", "a key");
        let pod = manifest.pod().unwrap();
        environment(pod.container("gateway").unwrap(), &place, &secrets)
    }

    #[test]
    fn variables_tell_where_the_pod_is() {
        let field = |path: &str| json!({ "fieldRef": { "fieldPath": path } });
        let read = variables(&json!([
            { "name": "A", "valueFrom": field("status.podIP") },
            { "name": "B", "valueFrom": field("metadata.name") },
            { "name": "C", "valueFrom": field("metadata.namespace") },
            { "name": "D", "valueFrom": field("spec.nodeName") },
            { "name": "E", "value": "$(B) on $(D)" },
        ]));
        let values: Vec<&str> = read.iter().map(|(_, value)| value.as_str()).collect();
        let expected = ["127.9.9.9", "chat-1", "rooms", "north", "chat-1 on north"];
        assert_eq!(values, expected);
    }

    #[test]
    fn variables_can_be_values_of_secrets() {
        let read = variables(&json!([
            { "name": "A", "valueFrom": { "secretKeyRef": { "name": "keys", "key": "one" } } },
        ]));
        assert_eq!(read, [("A".to_owned(), "a key".to_owned())]);
    }

    #[test]
    fn only_variables_that_were_set_before_are_expanded() {
        let read = variables(&json!([
            { "name": "A", "value": "$(B)" },
            { "name": "B", "value": "b" },
            { "name": "C", "value": "$(B) $$(B) $(B $B $" },
        ]));
        let values: Vec<&str> = read.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["$(B)", "b", "b $(B) $(B $B $"]);
    }

    #[test]
    fn the_later_of_two_values_holds() {
        let read = variables(&json!([
            { "name": "A", "value": "first" },
            { "name": "A", "value": "second" },
        ]));
        assert_eq!(read, [("A".to_owned(), "second".to_owned())]);
    }

    #[test]
    fn secrets_are_printed_without_what_they_hold() {
        let secrets = Secrets::default().with("keys", "one", "a key");
        assert_eq!(format!("{secrets:?}"), r#"{("keys", "one")}"#);
    }
}
