//! What the kernel allows this process, and what it uses of it.

use std::fs;

const CGROUP: &str = "/sys/fs/cgroup";
/// What version 1 of cgroups says where there is no limit is a little less than 2^63.
const UNLIMITED: u64 = 1 << 60;

/// The memory limit of the cgroup, in bytes; `None`: there is none, or it cannot be read.
pub fn memory() -> Option<u64> {
    let text = in_cgroup("memory.max").or_else(|| read(&format!("{CGROUP}/memory/memory.limit_in_bytes")))?;
    number(&text).filter(|limit| *limit < UNLIMITED)
}

/// How many files the process may have open.
pub fn files() -> Option<u64> {
    of_limits(&read("/proc/self/limits")?)
}

/// The memory that counts towards the limit and cannot be taken back: not what files have in the page cache. Where the
/// cgroup does not tell, what of the process itself is resident.
pub fn used() -> Option<u64> {
    let of_cgroup = || {
        let current = number(&in_cgroup("memory.current")?)?;
        Some(current.saturating_sub(of_files(&in_cgroup("memory.stat")?)))
    };
    of_cgroup().or_else(|| of_statm(&read("/proc/self/statm")?))
}

/// A file of this process's cgroup: at the top where it sees no other, as in a container.
fn in_cgroup(name: &str) -> Option<String> {
    read(&format!("{CGROUP}/{name}")).or_else(|| {
        let path = read("/proc/self/cgroup")?;
        let path = path.lines().find_map(|line| line.strip_prefix("0::"))?;
        read(&format!("{CGROUP}{path}/{name}"))
    })
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// `max` is not a number: it means no limit.
fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// Pages of files, but for what lies in memory only, of `memory.stat`.
fn of_files(stat: &str) -> u64 {
    let field = |name: &str| {
        let of_line = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse::<u64>().ok();
        stat.lines().find_map(of_line).unwrap_or(0)
    };
    field("file").saturating_sub(field("shmem"))
}

/// Resident pages that are not of files, in bytes.
fn of_statm(text: &str) -> Option<u64> {
    const PAGE: u64 = 4096;
    let mut words = text.split_ascii_whitespace().skip(1);
    let (resident, shared): (u64, u64) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(resident.saturating_sub(shared) * PAGE)
}

/// The soft limit of open files in `/proc/self/limits`.
fn of_limits(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    number(line.split_ascii_whitespace().next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read_and_no_limit_is_none() {
        assert_eq!(number("134217728\n"), Some(128 << 20));
        assert_eq!(number("max\n"), None);
        assert_eq!(of_files("anon 5000\nfile 9000\nkernel 1\nshmem 2000\nfile_mapped 4000\n"), 7000);
        assert_eq!(of_statm("5000 1200 200 1 0 900 0\n"), Some(1000 * 4096));
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
            Max processes             127235               127235               processes \n\
            Max open files            1024                 1048576              files     \n";
        assert_eq!(of_limits(limits), Some(1024));
        assert_eq!(of_limits(&limits.replace("1024 ", "unlimited ")), None);
    }

    #[test]
    fn this_process_uses_memory_and_may_open_files() {
        assert!(used().is_some_and(|used| used > 256 * 1024));
        assert!(files().is_some());
    }
}
