//! Holds a law against every rendering, and against ones that were spoilt.

use std::collections::BTreeSet;

use roomwire_chart_tests::{Manifest, Rendered};
use serde_json::Value;

use crate::cases::{Rendering, rendering, renderings};

/// Tells what is wrong with the objects of a release.
pub(crate) type Law = fn(&Rendered) -> Vec<String>;

/// The law finds nothing wrong in any rendering.
pub(crate) fn holds(law: Law) {
    holds_for(|rendering| law(rendering.objects()));
}

/// Likewise for a law that has to know the values.
pub(crate) fn holds_for(law: impl Fn(&Rendering) -> Vec<String>) {
    let mut wrong = BTreeSet::new();
    for rendering in renderings() {
        let found = law(rendering).into_iter();
        wrong.extend(found.map(|fault| format!("{}: {fault}", rendering.title())));
    }
    let wrong: Vec<String> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// How to spoil a rendering that is in order: what is at a pointer in an object gets another value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spoilt<'a> {
    /// The values that it is rendered with.
    pub(crate) file: &'a str,
    /// Kind and name of the object.
    pub(crate) object: (&'a str, &'a str),
    /// Where: a JSON pointer, whose last part may be new.
    pub(crate) at: &'a str,
    /// The new value as JSON; empty to take it away.
    pub(crate) value: &'a str,
}

impl Spoilt<'_> {
    /// The spoilt objects.
    pub(crate) fn objects(&self) -> Rendered {
        let mut rendered = rendering(self.file).objects().clone();
        let (kind, name) = self.object;
        let mut found = rendered.manifests.iter_mut();
        let found = found.find(|object| object.kind() == kind && object.name() == name);
        let object = found.unwrap_or_else(|| panic!("{} has no {kind} {name}", self.file));
        let mut value = object.value().clone();
        self.spoil(&mut value);
        *object = Manifest::new(value, object.template()).unwrap();
        rendered
    }

    fn spoil(&self, object: &mut Value) {
        let (above, key) = self.at.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/");
        let place = object.pointer_mut(above);
        let place = place.unwrap_or_else(|| panic!("{above} is nowhere"));
        let index = || key.parse::<usize>().unwrap();
        if self.value.is_empty() {
            let gone = match place {
                Value::Object(map) => map.remove(&key),
                Value::Array(list) => Some(list.remove(index())),
                _ => None,
            };
            assert!(gone.is_some(), "{} is not there to be taken away", self.at);
            return;
        }
        let value: Value = serde_json::from_str(self.value).unwrap();
        match place {
            Value::Array(list) if key == "-" => list.push(value),
            Value::Array(list) => list[index()] = value,
            other => other[key.as_str()] = value,
        }
    }
}

/// The law finds something wrong with each of the spoilt renderings, and nothing before.
pub(crate) fn notices(law: Law, cases: &[Spoilt<'_>]) {
    for spoilt in cases {
        let before = law(rendering(spoilt.file).objects());
        assert_eq!(before, [""; 0], "{spoilt:?}");
        assert_ne!(law(&spoilt.objects()), [""; 0], "not noticed: {spoilt:?}");
    }
}

/// Spoils the Deployment of the gateways, rendered with the minimal values.
pub(crate) const fn gateway<'a>(at: &'a str, value: &'a str) -> Spoilt<'a> {
    Spoilt {
        file: crate::cases::MINIMAL,
        object: ("Deployment", "roomwire"),
        at,
        value,
    }
}
