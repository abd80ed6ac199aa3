//! The files of an `.sqlx` folder: one per query, named by a hash of its text.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The contents of one folder, by file name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Queries(BTreeMap<String, Vec<u8>>);

impl Queries {
    /// Reads the query files of a folder; one that does not exist has none.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let read = || format!("cannot read {}", folder.display());
        let entries = match folder.read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(read),
        };
        let mut queries = BTreeMap::new();
        for entry in entries {
            let entry = entry.with_context(read)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_json = entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "json");
            if is_json && name.starts_with("query-") {
                queries.insert(name, fs::read(entry.path()).with_context(read)?);
            }
        }
        Ok(Self(queries))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What has to be done to get from these to those, one line per file.
    pub(super) fn differences(&self, fresh: &Self) -> Vec<String> {
        let added = fresh.0.keys().filter(|name| !self.0.contains_key(*name));
        let removed = self.0.keys().filter(|name| !fresh.0.contains_key(*name));
        let changed = self
            .0
            .iter()
            .filter(|(name, content)| fresh.0.get(*name).is_some_and(|new| new != *content));
        let mut lines: Vec<String> = added.map(|name| format!("add     .sqlx/{name}")).collect();
        lines.extend(removed.map(|name| format!("remove  .sqlx/{name}")));
        lines.extend(changed.map(|(name, _)| format!("change  .sqlx/{name}")));
        lines
    }

    /// Makes a folder hold exactly these. Files that are no queries are left alone.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let write = || format!("cannot write {}", folder.display());
        let before = Self::read(folder)?;
        fs::create_dir_all(folder).with_context(write)?;
        for name in before.0.keys().filter(|name| !self.0.contains_key(*name)) {
            fs::remove_file(folder.join(name)).with_context(write)?;
        }
        for (name, content) in &self.0 {
            if before.0.get(name) != Some(content) {
                fs::write(folder.join(name), content).with_context(write)?;
            }
        }
        Ok(())
    }
}

/// A new, empty folder that is removed with this value.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn create(parent: &Path) -> anyhow::Result<Self> {
        let folder = Self(parent.join(format!("prepare-{}", std::process::id())));
        let create = || format!("cannot create {}", folder.0.display());
        // Left behind by a process that was killed and had our id.
        fs::remove_dir_all(&folder.0).ok();
        fs::create_dir_all(&folder.0).with_context(create)?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queries(files: &[(&str, &str)]) -> Queries {
        let own = |(name, text): &(&str, &str)| (format!("query-{name}.json"), (*text).into());
        Queries(files.iter().map(own).collect())
    }

    #[test]
    fn every_kind_of_difference_is_listed() {
        let old = queries(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let new = queries(&[("b", "2"), ("c", "1"), ("d", "1")]);
        let lines = old.differences(&new);
        assert_eq!(
            lines,
            [
                "add     .sqlx/query-d.json",
                "remove  .sqlx/query-a.json",
                "change  .sqlx/query-b.json"
            ]
        );
        assert!(new.differences(&new).is_empty());
    }

    #[test]
    fn a_written_folder_holds_exactly_the_queries_and_foreign_files() {
        let scratch = Scratch::create(&std::env::temp_dir()).unwrap();
        fs::write(scratch.path().join("note.txt"), "kept").unwrap();
        queries(&[("a", "1"), ("b", "1")])
            .write(scratch.path())
            .unwrap();
        let wanted = queries(&[("b", "2")]);
        wanted.write(scratch.path()).unwrap();
        assert_eq!(Queries::read(scratch.path()).unwrap(), wanted);
        assert!(scratch.path().join("note.txt").exists());
    }
}
