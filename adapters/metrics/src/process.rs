//! What the machine says: the store's files and disk, and the process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::family::Family;

/// The sizes of the store's files and of the disk that they are on.
pub(crate) fn store(directory: &Path, files: &[(&'static str, PathBuf)]) -> Vec<Family> {
    let mut sizes = Family::gauge("samspor_store_bytes", "The size of the store's files: database, and log.");
    for (file, path) in files {
        if let Ok(metadata) = std::fs::metadata(path) {
            sizes.add([("file", file)], metadata.len());
        }
    }
    let mut free = Family::gauge(
        "samspor_store_disk_free_bytes",
        "What the gateway can still write on the disk that the store is on.",
    );
    let mut size = Family::gauge("samspor_store_disk_bytes", "The size of the disk that the store is on.");
    if let Ok(disk) = rustix::fs::statvfs(directory) {
        free.add([], disk.f_bavail.saturating_mul(disk.f_frsize));
        size.add([], disk.f_blocks.saturating_mul(disk.f_frsize));
    }
    vec![sizes, free, size]
}

/// What `/proc` says of this process; what it does not say has no series. The names are those that every Prometheus
/// client uses.
pub(crate) fn process(started: Timestamp) -> Vec<Family> {
    let started = Duration::from_millis(u64::try_from(started.as_millisecond()).unwrap_or_default());
    let start =
        Family::gauge("process_start_time_seconds", "When the process started, in seconds since 1970.")
            .of(started);
    let mut cpu = Family::counter("process_cpu_seconds", "Processor time that the process took.");
    let mut memory = Family::gauge("process_resident_memory_bytes", "Memory that the process holds.");
    let mut files = Family::gauge("process_open_fds", "Files and connections that the process has open.");
    if let Some(used) = std::fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu_time(&stat)) {
        cpu.add([], used);
    }
    if let Some(bytes) =
        std::fs::read_to_string("/proc/self/status").ok().and_then(|status| resident(&status))
    {
        memory.add([], bytes);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        files.add([], open.count().saturating_sub(1)); // Without the folder that is being read.
    }
    vec![start, cpu, memory, files]
}

/// User and system time in `/proc/self/stat`, whose second field is a name in parentheses that may hold anything.
fn cpu_time(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    // proc(5): `utime` and `stime` are fields 14 and 15; the first one here is field 3.
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = times.next()?.ok()?.checked_add(times.next()?.ok()?)?;
    let millis = ticks.checked_mul(1_000)?.checked_div(rustix::param::clock_ticks_per_second())?;
    Some(Duration::from_millis(millis))
}

/// The resident memory in `/proc/self/status`, in bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proc_says_is_read_whatever_the_process_is_called() {
        let stat = "17 (a ) b) S 1 17 17 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 4711 1 2";
        assert_eq!(
            cpu_time(stat).map(|time| time.as_millis()),
            Some(300_000 / u128::from(rustix::param::clock_ticks_per_second()))
        );
        assert_eq!(resident("Name:\tx\nVmRSS:\t   12 kB\nRssAnon:\t 1 kB"), Some(12_288));
        for bad in ["", "17 (x) S", "17 (x) S 1 1 1 0 -1 1 1 0 0 0 a b"] {
            assert_eq!((cpu_time(bad), resident(bad)), (None, None));
        }
    }
}
