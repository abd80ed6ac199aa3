//! The programs of the plane: started in one place, and ended with this process, however it ends.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Arguments: a folder to remove, then the processes. Its standard input ends when ours does.
const WATCHER: &str = r#"
read -r _
folder=$1
shift
kill "$@"
sleep 1
kill -KILL "$@"
rm -rf -- "$folder"
"#;

/// Everything that runs, with its files.
#[derive(Debug)]
pub(super) struct Processes {
    folder: PathBuf,
    running: Vec<(&'static str, Child)>,
    /// Their pipes are open for as long as this process lives.
    watchers: Vec<Child>,
}

impl Processes {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            running: Vec::new(),
            watchers: Vec::new(),
        }
    }

    /// Starts a program with its output in `NAME.log`. A group of its own keeps Ctrl-C from it, so
    /// that what needs it can be told to end first.
    pub(super) fn start(&mut self, name: &'static str, program: &Path, arguments: &[String]) {
        let log = File::create(self.log(name)).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        self.watchers.push(self.watch(&child));
        self.running.push((name, child));
    }

    /// A static is never dropped, so a shell ends the program when our end of its pipe is gone.
    fn watch(&self, child: &Child) -> Child {
        Command::new("/bin/sh")
            .args(["-c", WATCHER, "roomwire-cluster-watcher"])
            .arg(&self.folder)
            .arg(child.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap()
    }

    /// Fails with the end of its log if one of the programs has ended.
    pub(super) fn all_run(&mut self) {
        let folder = self.folder.clone();
        for (name, child) in &mut self.running {
            if let Some(status) = child.try_wait().unwrap() {
                let log = fs::read_to_string(folder.join(format!("{name}.log"))).unwrap();
                let end = log.len().saturating_sub(4000);
                panic!(
                    "{name} ended with {status}: {}",
                    &log[log.ceil_char_boundary(end)..]
                );
            }
        }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }
}
