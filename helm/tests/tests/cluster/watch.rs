//! Every state of objects between two moments, as the API server tells them to who watches.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use crate::ground::{Ground, eventually};

/// One thing that happened to an object.
#[derive(Debug, Clone)]
struct Event {
    is_deletion: bool,
    object: Value,
}

/// A watch of all objects of one kind in a namespace.
#[derive(Debug)]
pub(crate) struct Watch {
    kind: &'static str,
    child: Child,
    reader: Option<JoinHandle<()>>,
    events: Arc<Mutex<Vec<Event>>>,
    at_first: usize,
}

impl Watch {
    /// Begins; what is there already comes first.
    pub(crate) fn begin(ground: &Ground, kind: &'static str) -> Self {
        let mut child = ground
            .kubectl_command(&[
                "get",
                kind,
                "--watch",
                "--output-watch-events",
                "-o",
                "json",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let events = Arc::<Mutex<Vec<Event>>>::default();
        let into = Arc::clone(&events);
        let out = BufReader::new(child.stdout.take().unwrap());
        let reader = thread::spawn(move || {
            let stream = serde_json::Deserializer::from_reader(out).into_iter::<Value>();
            for told in stream.map_while(Result::ok) {
                into.lock().unwrap().push(Event {
                    is_deletion: told["type"] == "DELETED",
                    object: told["object"].clone(),
                });
            }
        });
        let mut watch = Self {
            kind,
            child,
            reader: Some(reader),
            events,
            at_first: 0,
        };
        watch.catch_up(ground);
        watch.at_first = watch.events.lock().unwrap().len();
        watch
    }

    /// Ends when everything that has happened by now was told, and returns it.
    pub(crate) fn end(mut self, ground: &Ground) -> History {
        self.catch_up(ground);
        self.stop();
        History {
            events: std::mem::take(&mut self.events.lock().unwrap()),
            at_first: self.at_first,
        }
    }

    /// Waits until the latest state of each object was told.
    fn catch_up(&self, ground: &Ground) {
        let now = ground.get(&[self.kind]);
        for object in now["items"].as_array().unwrap() {
            let wanted = &object["metadata"];
            eventually("a watch catches up", || {
                let events = self.events.lock().unwrap();
                events
                    .iter()
                    .map(|event| &event.object["metadata"])
                    .any(|told| told["uid"] == wanted["uid"] && version(told) >= version(wanted))
            });
        }
    }

    fn stop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if let Some(reader) = self.reader.take() {
            reader.join().ok();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

fn version(metadata: &Value) -> u64 {
    metadata["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

/// What a watch was told.
#[derive(Debug)]
pub(crate) struct History {
    events: Vec<Event>,
    at_first: usize,
}

impl History {
    /// The least of a number over all states; one that is not there is zero.
    pub(crate) fn least(&self, pointer: &str) -> u64 {
        self.all(pointer).min().unwrap()
    }

    /// The most of it.
    pub(crate) fn most(&self, pointer: &str) -> u64 {
        self.all(pointer).max().unwrap()
    }

    /// The greatest of a text over all states that have it, as for a time of the API.
    pub(crate) fn latest(&self, pointer: &str) -> String {
        let texts = self
            .events
            .iter()
            .map(|event| event.object.pointer(pointer));
        let texts = texts.flatten().map(|text| text.as_str().unwrap());
        texts.max().unwrap().to_owned()
    }

    fn all(&self, pointer: &str) -> impl Iterator<Item = u64> {
        self.events.iter().map(move |event| {
            let number = event.object.pointer(pointer);
            number.map_or(0, |number| number.as_u64().unwrap())
        })
    }

    /// The least number of gateways that were ready, and not about to go, at once.
    pub(crate) fn least_ready(&self) -> usize {
        let mut serving = BTreeMap::new();
        let mut least = None::<usize>;
        for (told, event) in self.events.iter().enumerate() {
            serving.insert(event.object["metadata"]["uid"].to_string(), event.serves());
            // Those before tell one by one what there was.
            if told + 1 >= self.at_first {
                let now = serving.values().filter(|serves| **serves).count();
                least = Some(least.map_or(now, |least| least.min(now)));
            }
        }
        least.unwrap()
    }
}

impl Event {
    fn serves(&self) -> bool {
        let metadata = &self.object["metadata"];
        !self.is_deletion
            && metadata["deletionTimestamp"].is_null()
            && metadata["labels"]["app.kubernetes.io/component"] == "gateway"
            && is_ready(&self.object)
    }
}

/// Whether a pod's condition `Ready` is true.
pub(crate) fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.is_some_and(|conditions| {
        let is = |one: &Value| one["type"] == "Ready" && one["status"] == "True";
        conditions.iter().any(is)
    })
}
