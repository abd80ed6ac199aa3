//! What the kernel says about the measured server processes: CPU time, resident memory, and which
//! process listens on a port. Linux only; everything is read from `/proc`.

use std::collections::HashSet;
use std::time::Duration;
use std::{fs, io};

use thiserror::Error;

/// Clock ticks per second in `/proc/<pid>/stat`; the kernel reports this unit on every platform a
/// gateway runs on.
const TICKS_PER_SECOND: u64 = 100;
/// The state number of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// Why a figure could not be read.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// A file of `/proc` could not be read; the process may be gone.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file of `/proc` has not the known form.
    #[error("{0} has an unknown form")]
    Form(String),
    /// No visible process listens there.
    #[error("no visible process of this machine listens on port {0}; name it with --pid")]
    NoListener(u16),
}

/// The server processes under measurement; their figures are summed.
#[derive(Debug, Clone)]
pub struct Processes {
    pids: Vec<u32>,
}

impl Processes {
    /// These processes.
    #[must_use]
    pub fn new(pids: Vec<u32>) -> Self {
        Self { pids }
    }

    /// These processes and all that they have started, and those in turn.
    #[must_use]
    pub fn with_children(roots: &[u32]) -> Self {
        let parents = parents();
        let mut pids = roots.to_vec();
        let mut done = 0;
        while let Some(parent) = pids.get(done).copied() {
            done += 1;
            let children = parents.iter().filter(|(_, of)| *of == parent);
            let new: Vec<u32> = children
                .map(|(pid, _)| *pid)
                .filter(|pid| !pids.contains(pid))
                .collect();
            pids.extend(new);
        }
        Self { pids }
    }

    /// This process.
    #[must_use]
    pub fn own() -> Self {
        Self::new(vec![std::process::id()])
    }

    /// The processes that listen on any of these local ports.
    pub fn listening_on(ports: &[u16]) -> Result<Self, ProcessError> {
        let mut pids = Vec::new();
        for &port in ports {
            let found = holders(&listening_inodes(port)?)?;
            if found.is_empty() {
                return Err(ProcessError::NoListener(port));
            }
            pids.extend(found);
        }
        pids.sort_unstable();
        pids.dedup();
        Ok(Self { pids })
    }

    /// Their ids, ascending when found by port.
    #[must_use]
    pub fn pids(&self) -> &[u32] {
        &self.pids
    }

    /// CPU time used so far, user and system, in steps of 10 ms per process.
    pub fn cpu(&self) -> Result<Duration, ProcessError> {
        self.pids.iter().map(|pid| cpu(*pid)).sum()
    }

    /// Resident memory in KiB.
    pub fn rss_kib(&self) -> Result<u64, ProcessError> {
        self.pids.iter().map(|pid| rss_kib(*pid)).sum()
    }
}

/// Processor time that this machine has spent on anything so far; `None` where that is not known.
#[must_use]
pub fn busy() -> Option<Duration> {
    busy_of(&fs::read_to_string("/proc/stat").ok()?)
}

/// User, nice, system, and after idle and waiting: interrupts, soft interrupts, stolen.
fn busy_of(stat: &str) -> Option<Duration> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Result<Vec<u64>, _> = fields.split_ascii_whitespace().map(str::parse).collect();
    let ticks = ticks.ok()?.into_iter().take(8).enumerate();
    let busy: u64 = ticks
        .filter(|(place, _)| !matches!(place, 3 | 4))
        .map(|(_, ticks)| ticks)
        .sum();
    Some(Duration::from_millis(busy * 1000 / TICKS_PER_SECOND))
}

/// Every visible process with the one that started it.
fn parents() -> Vec<(u32, u32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        let parent = fields.split_ascii_whitespace().nth(1)?;
        Some((pid, parent.parse().ok()?))
    })
    .collect()
}

fn cpu(pid: u32) -> Result<Duration, ProcessError> {
    let path = format!("/proc/{pid}/stat");
    let ticks = cpu_ticks(&read(&path)?).ok_or(ProcessError::Form(path))?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// Fields 14 and 15, counted behind the command name, which may itself contain blanks and brackets.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn rss_kib(pid: u32) -> Result<u64, ProcessError> {
    let path = format!("/proc/{pid}/status");
    status_kib(&read(&path)?, "VmRSS:").ok_or(ProcessError::Form(path))
}

fn status_kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn listening_inodes(port: u16) -> Result<HashSet<u64>, ProcessError> {
    let mut inodes = HashSet::new();
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match read(path) {
            Ok(table) => inodes.extend(table.lines().filter_map(|line| listener(line, port))),
            // A kernel without IPv6 has no second table.
            Err(_) if path.ends_with('6') => {}
            Err(error) => return Err(error),
        }
    }
    Ok(inodes)
}

/// The inode of a table line that is a socket listening on `port`.
fn listener(line: &str, port: u16) -> Option<u64> {
    let mut fields = line.split_ascii_whitespace();
    let (_, local_port) = fields.nth(1)?.rsplit_once(':')?;
    if u16::from_str_radix(local_port, 16) != Ok(port) || fields.nth(1)? != LISTEN {
        return None;
    }
    fields.nth(5)?.parse().ok()
}

/// Processes that hold one of these sockets open, as far as this user may see.
fn holders(inodes: &HashSet<u64>) -> Result<Vec<u32>, ProcessError> {
    let entries = fs::read_dir("/proc").map_err(|source| ProcessError::Read {
        path: "/proc".to_owned(),
        source,
    })?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(pids.filter(|pid| holds(*pid, inodes)).collect())
}

fn holds(pid: u32, inodes: &HashSet<u64>) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    descriptors.flatten().any(|descriptor| {
        let link = fs::read_link(descriptor.path()).unwrap_or_default();
        let inode = link.to_str().and_then(|link| link.strip_prefix("socket:["));
        let inode = inode.and_then(|inode| inode.strip_suffix(']')?.parse().ok());
        inode.is_some_and(|inode| inodes.contains(&inode))
    })
}

fn read(path: &str) -> Result<String, ProcessError> {
    fs::read_to_string(path).map_err(|source| ProcessError::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn cpu_time_is_found_behind_an_odd_command_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 9 9 20 0 8 0 1 2 3";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(cpu_ticks("7 (a) S 1"), None);
    }

    #[test]
    fn resident_memory_is_read_in_kib() {
        let status = "Name:\tx\nVmPeak:\t  900 kB\nVmRSS:\t    512 kB\n";
        assert_eq!(status_kib(status, "VmRSS:"), Some(512));
        assert_eq!(status_kib(status, "VmSwap:"), None);
    }

    #[test]
    fn a_machine_is_busy_but_when_it_idles_or_waits() {
        let stat = "cpu  100 20 30 9999 999 1 2 3 50 0\ncpu0 1 2\n";
        assert_eq!(busy_of(stat), Some(Duration::from_millis(1_560)));
        assert_eq!(busy_of("intr 1"), None);
        assert!(busy().is_some());
    }

    #[test]
    fn what_a_process_has_started_belongs_to_it() {
        let mut shell = std::process::Command::new("/bin/sh")
            .args(["-c", "sleep 60 & wait"])
            .spawn()
            .unwrap();
        let own = [std::process::id()];
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        let found = loop {
            let found = Processes::with_children(&[shell.id()]);
            if found.pids().len() == 2 || std::time::Instant::now() > deadline {
                break found;
            }
            std::thread::yield_now();
        };
        let ours = Processes::with_children(&own);
        let all = found.pids().iter().all(|pid| ours.pids().contains(pid));
        let sleeper = found.pids().last().copied().unwrap();
        shell.kill().unwrap();
        shell.wait().unwrap();
        let kill = std::process::Command::new("kill")
            .arg(sleeper.to_string())
            .status();
        assert!(kill.is_ok());
        assert_eq!((found.pids().len(), all), (2, true));
    }

    #[test]
    fn the_process_behind_a_port_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let found = Processes::listening_on(&[port]).unwrap();
        // Children that other tests start share our sockets until they run their own program, so
        // there may be more for a moment, and they may keep the port open a little longer.
        assert!(found.pids().contains(&std::process::id()));
        drop(listener);
        let gone = |error| matches!(error, ProcessError::NoListener(of) if of == port);
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while !Processes::listening_on(&[port]).is_err_and(gone) {
            assert!(
                std::time::Instant::now() < deadline,
                "port {port} stays open"
            );
            std::thread::yield_now();
        }
    }

    #[test]
    fn this_process_has_memory_and_the_figures_add_up() {
        let own = Processes::own();
        assert!(own.cpu().is_ok());
        let twice = Processes::new(vec![std::process::id(); 2]);
        assert!(twice.rss_kib().unwrap() > own.rss_kib().unwrap());
    }
}
