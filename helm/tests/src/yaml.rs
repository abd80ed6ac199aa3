//! YAML as Helm and Kubernetes read it: by version 1.1, in which `0440` is octal and `on` is true.

use serde_json::Value;

use crate::Error;

/// The content of one document; null if it is empty. A key that is there twice is an error.
pub fn read(text: &str) -> Result<Value, Error> {
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        strict_booleans: false,
    };
    let value = serde_saphyr::from_str_with_options(text, options);
    value.map_err(|error| Error::Unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::read;

    #[test]
    fn numbers_and_switches_are_those_of_version_1_1() {
        let text =
            "{a: 0440, b: \"0440\", c: on, d: \"on\", e: no, f: 12345678, g: 1.5, h: , i: 10m}";
        let wanted = json!({
            "a": 288, "b": "0440", "c": true, "d": "on", "e": false, "f": 12_345_678, "g": 1.5,
            "h": null, "i": "10m",
        });
        assert_eq!(read(text).unwrap(), wanted);
    }

    #[test]
    fn a_key_that_is_there_twice_is_an_error_and_nothing_is_null() {
        assert!(read("{a: 1, a: 2}").is_err());
        assert!(read("a: {b: 1}\nc: {d: 1, d: 1}").is_err());
        assert_eq!(read("# nothing\n").unwrap(), json!(null));
    }
}
