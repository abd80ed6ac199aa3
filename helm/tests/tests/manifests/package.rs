//! The chart as a package renders what the chart in this tree does, and has all files in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use roomwire_chart_tests::{Helm, Render};

use crate::monitoring::files;

/// An empty folder for one test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The one entry of a folder.
fn only(folder: &Path) -> PathBuf {
    let mut entries = fs::read_dir(folder).unwrap();
    let first = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none(), "{} has more", folder.display());
    first
}

fn unpacked(archive: &Path, into: &Path) -> PathBuf {
    let done = Command::new("tar")
        .arg("xzmf")
        .arg(archive)
        .arg("-C")
        .arg(into)
        .status();
    assert!(done.unwrap().success());
    only(into)
}

#[test]
fn a_package_has_the_rules_and_dashboards_themselves_and_renders_the_same() {
    for helm in Helm::ALL {
        let place = folder(&format!("package-{helm:?}"));
        let packages = place.join("packages");
        let content = place.join("content");
        fs::create_dir(&packages).unwrap();
        fs::create_dir(&content).unwrap();
        let source = Render::new(helm).file("ci/production-values.yaml");
        source.package(&packages).unwrap();
        let archive = only(&packages);
        let chart = unpacked(&archive, &content);
        for part in ["rules", "dashboards"] {
            for path in files(part).values() {
                let inside = chart
                    .join("files")
                    .join(part)
                    .join(path.file_name().unwrap());
                assert!(
                    inside.symlink_metadata().unwrap().is_file(),
                    "{}",
                    inside.display()
                );
                assert_eq!(fs::read(&inside).unwrap(), fs::read(path).unwrap());
            }
        }
        // Values that are there for tests are of no use to who installs it.
        assert!(!chart.join("ci").exists());
        let mut packed = source.clone();
        packed.chart = archive;
        assert_eq!(packed.run().unwrap(), source.run().unwrap(), "{helm:?}");
    }
}

#[test]
fn the_version_of_the_chart_and_the_program_is_that_of_the_workspace() {
    let chart = crate::cases::values(Path::new("Chart.yaml"));
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}
