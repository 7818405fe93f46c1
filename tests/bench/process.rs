//! Processes that are measured: starting, pinning, and what /proc says about them.
//!
//! Owns each process it starts and ends it when the owner is dropped. Never touches another.

use crate::Fault;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A started process that ends with its owner.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // SIGTERM first: the gateway has children of its own to stop.
        let pid = self.0.id().to_string();
        drop(Command::new("kill").args(["-TERM", &pid]).status());
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if matches!(self.0.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The command, on one processor if there are two and `taskset` exists.
pub(crate) fn pinned(processor: usize, program: &Path) -> Command {
    if !can_pin() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.arg("-c").arg(processor.to_string()).arg(program);
    command
}

/// Keeps this process on one processor, if that can be done.
pub(crate) fn pin_self(processor: usize) {
    if can_pin() {
        let (processor, pid) = (processor.to_string(), std::process::id().to_string());
        drop(
            Command::new("taskset")
                .args(["-cp", &processor, &pid])
                .stdout(Stdio::null())
                .status(),
        );
    }
}

/// The same as words of a config entry.
pub(crate) fn pinned_words(processor: usize, program: &Path) -> Vec<String> {
    let program = program.display().to_string();
    if !can_pin() {
        return vec![program];
    }
    ["taskset", "-c", &processor.to_string(), &program]
        .map(str::to_owned)
        .to_vec()
}

/// Whether processes can be kept apart. Asked once: pinned ourselves we see one processor only.
pub(crate) fn can_pin() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        processors >= 2 && which("taskset").is_some()
    })
}

/// A program on the PATH, or where system programs are.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/usr/local/sbin", "/usr/bin"].map(PathBuf::from));
    folders
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// A line of /proc/PID/status, in the unit it has there (KiB for memory).
fn status(pid: u32, key: &str) -> Result<u64, Fault> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .ok_or_else(|| format!("no {key} for process {pid}"))?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Resident memory in KiB.
pub(crate) fn resident_kib(pid: u32) -> Result<u64, Fault> {
    status(pid, "VmRSS")
}

/// Forgets the peak of resident memory, so that the next reading is of what comes now.
pub(crate) fn forget_peak(pid: u32) -> Result<(), Fault> {
    Ok(fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// The peak of resident memory in KiB.
pub(crate) fn peak_kib(pid: u32) -> Result<u64, Fault> {
    status(pid, "VmHWM")
}

/// How often any thread of the process went to sleep of its own accord: one per wake-up.
pub(crate) fn sleeps(pid: u32) -> Result<u64, Fault> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("status"))?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        sum += line.map_or(Ok(0), |number| number.trim().parse::<u64>())?;
    }
    Ok(sum)
}

/// Processor time of all threads in nanoseconds, children excluded.
pub(crate) fn cpu_ns(pid: u32) -> Result<u64, Fault> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = task?.path().join("schedstat");
        let text = fs::read_to_string(&path)?;
        let first = text.split(' ').next().unwrap_or_default();
        sum += first.parse::<u64>()?;
    }
    Ok(sum)
}
